"""The kernel: who runs, who waits, who is cancelled, and when. Read it in this order.

- `current`: which worker and task run on this thread.
- `suspend`: the only places that yield; the states of a wait.
- `timers`: what is to happen when.
- `strand`: tasks that never run at the same time, and their mailbox.
- `cancel`: cancel scopes.
- `asyncfn`: telling async functions from what is given in their place.
- `detour`: what may stand in the place of a task's context for a while.
- `joining`: waiting for the end of a task.
- `task`: a coroutine on its way.
- `waitqueue`: the line in front of a shared primitive; where waits are decided.
- `starting`: the handshake of ``nursery.start``.
- `nursery`: where tasks are born, and what none outlives.
- `descriptors`: readiness of descriptors, per worker.
- `observe`: instruments and policies.
- `asyncgens`: closing dropped async generators; a yield out of a scope.
- `tree`: who waits for what, as a tree.
- `ending`: how strands end, by themselves or by force.
- `crew`: what workers share; taking strands; the decision that all is over.
- `worker`: the loop.
- `root`: the nursery at the top of a program.
- `interrupts`: Ctrl-C.
- `present`: what a running task may ask of its runtime.
- `verdict`: what a run came to.
- `options`: the arguments of a runtime.
- `runtime`: beginning and end.
"""
