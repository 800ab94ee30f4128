"""conc beside its peers: the same work, in turn, in fresh processes, on the same machine.

`python -m benchmarks` runs everything; `python -m benchmarks yield_many tcp_echo --quick --peers asyncio,trio` a part.

The parts, in the order in which a run meets them:

* `libraries`  who may take part, and how each runs a main function;
* `scenario`   what a scenario and a contestant are; `scenarios/` has one small file for each kind of work;
* `harness`    the rounds: every contestant of every scenario in a process of its own (`child`), in turn;
* `measure`, `served`  what happens in that process: timed work, or a server under load from `native/load.c`;
* `results`    the numbers that came back, their medians, spreads and ratios;
* `targets`    what conc has promised, as data; `verdicts` says whether the numbers keep it;
* `report/`    the same results for a terminal, as JSON, as Markdown, as a picture.
"""
