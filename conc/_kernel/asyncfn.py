"""Async functions as arguments: telling them from what is often given in their place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from inspect import CO_ITERABLE_COROUTINE, iscoroutine
from types import GeneratorType
from typing import Any, NoReturn, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def is_coroutine(thing: object) -> bool:
    """Whether `thing` can be stepped as a task: a coroutine, or a generator marked as one."""
    if isinstance(thing, GeneratorType):
        return bool(thing.gi_code.co_flags & CO_ITERABLE_COROUTINE)
    return iscoroutine(thing)


def function_name(async_fn: object) -> str:
    """What to call a function in a message."""
    return str(getattr(async_fn, "__qualname__", None) or getattr(getattr(async_fn, "func", None), "__qualname__", None)
               or repr(async_fn))  # fmt: skip


def as_coroutine(async_fn: object, result: object) -> Coroutine[Any, Any, Any]:
    """What to run for a function that gave `result`: that itself, or the waiting for an awaitable; else an error."""
    if is_coroutine(result):
        return result  # type: ignore[return-value]
    if not isinstance(result, Awaitable):
        refuse_function(async_fn, result)
    return _wait_for(result)


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def refuse_function(
    async_fn: object, result: object, call: str = "start_soon", more: str = ", arguments..."
) -> NoReturn:
    """The error for what was given to `call` in place of an async function, or for what that returned.

    Args:
        more: what may follow the function in that call.
    """
    if is_coroutine(async_fn):
        name = getattr(async_fn, "__qualname__", "function")
        async_fn.close()  # type: ignore[attr-defined]  # it was about to be run: no warning that it never was
        raise TypeError(
            f"a coroutine object was given where a function is due: write {call}({name}{more}), "
            f"not {call}({name}(arguments...))"
        ) from None
    if not callable(async_fn):
        raise TypeError(f"an async function is due, got {async_fn!r}") from None
    raise TypeError(
        f"{function_name(async_fn)} is not an async function: calling it gave {result!r}. "
        "Use `async def`; for a blocking function conc.to_thread"
    )


def check_name(name: object) -> None:
    """Raise TypeError unless it is a string."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")


def refuse_what_is_no_function(async_fn: object, call: str = "start_soon", more: str = ", arguments...") -> None:
    """An error for what cannot be called, or was called already; nothing for a function."""
    if not callable(async_fn) or is_coroutine(async_fn):
        refuse_function(async_fn, None, call, more)


def check_plain(fn: object, name: str) -> None:
    """Raise TypeError unless it can be called."""
    if not callable(fn):
        raise TypeError(f"{name} must be a function, not {fn!r}")


def call_plain(fn: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call a function of the user's, which may not wait: an async one would give a coroutine, which looks like True."""
    result = fn(*args)
    if is_coroutine(result):
        result.close()  # type: ignore[attr-defined]
        raise TypeError(f"a plain function is due, not an async one: {function_name(fn)}")
    return result


def foreign_awaitable(task: object, yielded: object) -> TypeError:
    """The error for a task that awaited something of another library, which then yielded this."""
    kind = type(yielded)
    package = str(kind.__module__).split(".")[0]
    hint = ""
    if package in ("asyncio", "_asyncio"):
        hint = "; asyncio's futures and functions need asyncio's event loop"
    elif package == "trio":
        hint = "; trio's functions need trio.run"
    try:
        text = repr(yielded)
    except Exception:  # its own fault, but not ours to raise
        text = f"an object of type {kind.__qualname__}"
    return TypeError(f"{task!r} awaited something that is not of conc: it yielded {text}{hint}")
