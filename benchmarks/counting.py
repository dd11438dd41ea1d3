"""What a call executes, counted instead of timed: the same on every run and every machine with this Python.

Bytecode instructions of Python, by whoever executes them; calls of functions written in C, by name; the most memory
held at once. What happens inside a C function is not seen: a longer hash is still one call.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType, TracebackType
from typing import Any, Self

Tracer = Callable[[FrameType, str, Any], Any]


class Instructions:
    """Counts bytecode instructions while it is entered, by the step of the innermost frame that has one.

    `step_of` names the step of a function's code; frames of other functions belong to the step they were called in,
    the outermost ones to "".
    """

    def __init__(self, step_of: dict[CodeType, str] | None = None) -> None:
        self.by_step: Counter[str] = Counter()
        self._step_of = step_of or {}
        self._of_frame: dict[FrameType, Tracer] = {}
        self._tracers: dict[str, Tracer] = {}
        self._before: Any = None

    @property
    def total(self) -> int:
        """Over all steps."""
        return self.by_step.total()

    def forget(self) -> None:
        """Count from here, after everything has run once: Python 3.13 tells of a function from its second call on."""
        self.by_step.clear()

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        # Python 3.12 looks when a tracer is set whether any frame has asked for its instructions.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)
        self._of_frame.clear()

    def _enter(self, frame: FrameType, event: str, _: object) -> Tracer | None:
        """A frame begins, or a coroutine or generator goes on in one."""
        if frame.f_code in (Instructions.__exit__.__code__, Instructions.forget.__code__):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        tracer = self._of_frame.get(frame)
        if tracer is None:
            step = self._step_of.get(frame.f_code)
            above = self._of_frame.get(frame.f_back) if frame.f_back is not None else None
            tracer = self._tracer(step) if step is not None else above or self._tracer("")
            self._of_frame[frame] = tracer
        return tracer

    def _tracer(self, step: str) -> Tracer:
        if step not in self._tracers:
            count = self.by_step

            def trace(frame: FrameType, event: str, _: object) -> Tracer:
                if event == "opcode":
                    count[step] += 1
                elif event == "return":
                    self._of_frame.pop(frame, None)
                return trace

            self._tracers[step] = trace
        return self._tracers[step]


class NativeCalls:
    """Counts calls of functions written in C while it is entered, by name."""

    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        sys.setprofile(self._before)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and frame.f_code is not NativeCalls.__exit__.__code__:
            module = getattr(argument, "__module__", None) or type(getattr(argument, "__self__", None)).__name__
            self.by_name[f"{module}.{argument.__name__}"] += 1


class Memory:
    """The most bytes that Python held at once while it was entered, beyond what it held before."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._held = 0
        self._was_tracing = False
        self._tracer: Any = None

    def __enter__(self) -> Self:
        self._was_tracing = tracemalloc.is_tracing()
        self._tracer = sys.gettrace()
        sys.settrace(None)  # one that measures coverage remembers where it was
        gc.disable()
        if not self._was_tracing:
            tracemalloc.start()
        tracemalloc.reset_peak()
        self._held = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *_: object) -> None:
        self.peak_bytes = tracemalloc.get_traced_memory()[1] - self._held
        gc.enable()
        sys.settrace(self._tracer)
        if not self._was_tracing:
            tracemalloc.stop()
