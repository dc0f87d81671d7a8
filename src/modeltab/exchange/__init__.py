"""Conversations that leave ModelTab and come in: archives, readable files, links, and other apps' exports."""
