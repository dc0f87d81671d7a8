"""A real llama-server (llama.cpp's HTTP server, from PyPI's xllamacpp) with one model.

    python llama_server.py --model FILE [--port 0] [--api-key KEY] [--cors-origins ORIGINS] [--slots 2] [--n-ctx 2048]
                           [--threads N]

Says "listening on URL" when it answers, and runs until it is stopped. Its router mode is not in xllamacpp.
"""

from __future__ import annotations

import argparse
import signal

import xllamacpp

#: Two tests' worth of context for each slot, and little memory.
N_CTX = 2048


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--cors-origins", default="")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--n-ctx", type=int, default=N_CTX)
    parser.add_argument("--threads", type=int, default=1, help="more wait for each other, and for whatever else runs")
    options = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.port = options.port
    params.n_ctx = options.n_ctx
    params.n_parallel = options.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.endpoint_slots = params.endpoint_props = True
    params.fit_params = params.warmup = False
    params.cache_ram_mib = 0
    params.verbosity = 1
    if options.api_key:
        params.api_keys = [options.api_key]
    if options.cors_origins:
        params.cors_origins = options.cors_origins
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
