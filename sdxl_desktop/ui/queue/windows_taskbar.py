"""Progress on the button of a window in Windows' task bar, through ITaskbarList3 of the shell (ShObjIdl_core.h)."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_CLSID_TASKBAR_LIST = "{56FDF344-FD6D-11d0-958A-006097C9A090}"
_IID_TASKBAR_LIST_3 = "{EA1AFB91-9E28-4B86-90E9-5E9F8A5EEFAF}"
_CLSCTX_INPROC_SERVER = 1
_TBPF_NOPROGRESS, _TBPF_NORMAL = 0, 2
_HR_INIT, _SET_PROGRESS_VALUE, _SET_PROGRESS_STATE = 3, 9, 10
"""Places in the interface's table of methods, after IUnknown's three."""
_TOTAL = 100


class WindowsTaskbar:
    """The task bar's progress of one window. Elsewhere than on Windows, and where the shell has none, nothing happens;
    no method raises."""

    def __init__(self) -> None:
        self._list: Any = None
        self._is_tried = False

    def show_progress(self, window: int, percent: int | None) -> None:
        """Show `percent` of 100 on the button of the window with the handle `window`; None: no progress."""
        if sys.platform != "win32":
            return
        try:
            self._show(window, percent)
        except OSError:  # no shell, such as in a session without a desktop
            self._list = None

    def _show(self, window: int, percent: int | None) -> None:
        if not self._is_tried:
            self._is_tried = True
            self._list = _create_taskbar_list()
        if self._list is None:
            return
        handle = ctypes.c_void_p(window)
        state = _TBPF_NOPROGRESS if percent is None else _TBPF_NORMAL
        _call(self._list, _SET_PROGRESS_STATE, (ctypes.c_void_p, ctypes.c_int), handle, state)
        if percent is not None:
            _call(
                self._list,
                _SET_PROGRESS_VALUE,
                (ctypes.c_void_p, ctypes.c_ulonglong, ctypes.c_ulonglong),
                handle,
                percent,
                _TOTAL,
            )


def _create_taskbar_list() -> Any:
    """Return a pointer to the interface, ready for use. Qt has initialized COM on the main thread."""
    ole32: Any = ctypes.WinDLL("ole32")  # type: ignore[attr-defined, unused-ignore]
    found = ctypes.c_void_p()
    result = ole32.CoCreateInstance(
        ctypes.byref(_guid(ole32, _CLSID_TASKBAR_LIST)),
        None,
        _CLSCTX_INPROC_SERVER,
        ctypes.byref(_guid(ole32, _IID_TASKBAR_LIST_3)),
        ctypes.byref(found),
    )
    if result < 0 or not found.value:
        return None
    _call(found, _HR_INIT, ())
    return found


def _guid(ole32: Any, text: str) -> Any:
    guid = (ctypes.c_ubyte * 16)()
    ole32.CLSIDFromString(ctypes.c_wchar_p(text), ctypes.byref(guid))
    return guid


def _call(pointer: Any, place: int, types: tuple[Any, ...], *arguments: object) -> None:
    """Call the method at `place` in the table of the COM object at `pointer`."""
    table = ctypes.cast(pointer, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    prototype: Any = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *types)  # type: ignore[attr-defined, unused-ignore]
    prototype(table[place])(pointer, *arguments)
