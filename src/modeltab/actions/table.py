"""Which action stands behind each name in the page's data attributes."""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from modeltab.actions import (
    chat,
    connection_form,
    connections,
    conversations,
    copying,
    dialogs,
    discovery,
    exporting,
    file_details,
    importing,
    inventory,
    keys,
    models,
    onboarding,
    origins,
    parameters,
    picker,
    preview,
    settings,
    transfers,
)
from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import ModelTabError

Action = Callable[[App, UiEvent], bool | Coroutine[Any, Any, None] | None]

ACTIONS: dict[str, Action] = {
    "alert.close": dialogs.close_alert,
    "attach.files": chat.attach,
    "attach.pick": chat.pick_attachment,
    "attach.remove": chat.remove_attachment,
    "chat.new": conversations.new,
    "chat.send": chat.send,
    "chat.stop": chat.stop,
    "composer": chat.composer_key,
    "connection.add": connection_form.open_add,
    "connection.adopt": connections.adopt,
    "connection.edit": connection_form.open_edit,
    "connection.free": models.free,
    "connection.preset": connection_form.change_preset,
    "connection.protection": connection_form.change_protection,
    "connection.remove": connections.remove,
    "connection.remove.ask": connections.ask_remove,
    "connection.save": connection_form.save,
    "connection.test": connections.test,
    "connection.try": connection_form.try_,
    "connection.type": connection_form.change_type,
    "conversation.delete": conversations.delete,
    "conversation.delete.ask": conversations.ask_delete,
    "conversations.search": conversations.search,
    "data.erase": settings.erase,
    "data.erase.ask": settings.ask_erase,
    "data.backup": exporting.back_up,
    "data.export": exporting.everything,
    "data.import": importing.look,
    "data.import.folder": importing.pick_folder,
    "data.import.pick": importing.pick,
    "data.import.start": importing.start,
    "diagnosis.close": connections.close_diagnosis,
    "dialog.close": dialogs.close,
    "key.erase": keys.erase,
    "keys.auto-lock": keys.set_auto_lock,
    "keys.erase": keys.erase_all,
    "keys.erase.ask": keys.ask_erase_all,
    "keys.lock": keys.lock,
    "keys.passphrase": keys.open_passphrase,
    "keys.passphrase.save": keys.set_passphrase,
    "keys.protect": keys.choose_protection,
    "keys.unlock": keys.open_unlock,
    "keys.unlock.save": keys.unlock,
    "message.branch": chat.branch,
    "message.continue": chat.continue_,
    "message.copy": chat.copy,
    "message.delete": chat.delete,
    "message.delete.ask": chat.ask_delete,
    "message.edit": chat.edit,
    "message.edit.cancel": chat.cancel_edit,
    "message.edit.save": chat.save_edit,
    "message.regenerate": chat.regenerate,
    "message.version": chat.show_version,
    "export.link": exporting.copy_link,
    "export.open": exporting.open_,
    "export.save": exporting.save,
    "inventory.filter": inventory.filter_,
    "inventory.group": inventory.group,
    "inventory.note.close": inventory.close_note,
    "inventory.place": inventory.choose_place,
    "inventory.scroll": inventory.scroll,
    "inventory.sort": inventory.sort,
    "inventory.undo": inventory.undo,
    "model.copy": copying.copy,
    "model.copy.ask": copying.ask,
    "model.copy.to": copying.choose_place,
    "model.delete": models.delete,
    "model.delete.ask": models.ask_delete,
    "model.details": file_details.open_,
    "model.load": models.load,
    "model.unload": models.unload,
    "model.use": models.use,
    "models.add": onboarding.open_dialog,
    "catalogue.add": origins.add_from_catalogue,
    "models.add.choose": origins.choose,
    "models.add.look": origins.look_up,
    "models.add.remove": onboarding.remove_candidate,
    "models.add.destination": onboarding.choose_destination,
    "models.add.files": onboarding.choose_files,
    "models.add.save": onboarding.save,
    "models.free": models.free,
    "models.sync": models.sync,
    "parameters.open": parameters.open_,
    "parameters.reset": parameters.reset,
    "parameters.save": parameters.save,
    "picker.choose": picker.choose,
    "picker.close": picker.close,
    "picker.focus": picker.focus,
    "picker.key": picker.key,
    "picker.open": picker.open_,
    "picker.type": picker.type_,
    "preview.open": preview.open_,
    "recipe.copy": connections.copy_recipe,
    "servers.add": discovery.add,
    "servers.find": discovery.find,
    "settings.offline": settings.toggle_offline,
    "settings.theme": settings.set_theme,
    "shared.keep": importing.keep_shared,
    "starter.add": onboarding.add_starter,
    "storage.persist": settings.persist,
    "transfer.cancel": transfers.cancel,
    "transfer.dismiss": transfers.dismiss,
    "transfer.file": transfers.resume_with_file,
    "transfer.pause": transfers.pause,
    "transfer.resume": transfers.resume,
    "transfer.up": transfers.move_up,
}


def perform(app: App, event: UiEvent) -> bool:
    """Do what the event names. True when the browser should not also do what it does by itself.

    :raises KeyError: for a name that no action has: a defect of a view.
    """
    app.last_used = app.clock()
    try:
        result = ACTIONS[event.action](app, event)
    except ModelTabError as error:
        app.alert(error)
        return True
    if inspect.iscoroutine(result):
        app.spawn(result)
        return True
    return bool(result)
