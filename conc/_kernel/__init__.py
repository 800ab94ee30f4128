"""The kernel: who runs, who waits, who is cancelled, and when. Read it in this order; each file uses only those before.

- `current`: which worker and task run on this thread.
- `suspend`: the only places that yield; the states of a wait.
- `timers`: what is to happen when.
- `strand`: tasks that never run at the same time, and their mailbox.
- `cancel`: cancel scopes.
- `asyncfn`: telling async functions from what is given in their place.
- `task`: a coroutine on its way.
- `waitqueue`: the line in front of a shared primitive; where waits are decided.
- `nursery`: where tasks are born, and what none outlives.
- `descriptors`: readiness of descriptors, per worker.
- `observe`: instruments and policies.
- `asyncgens`: closing dropped async generators; a yield out of a scope.
- `crew`: what workers share; taking strands; the decision that all is over.
- `worker`: the loop.
- `interrupts`: Ctrl-C.
- `tree`: who waits for what, as a tree.
- `verdict`: what a run came to.
- `options`: the arguments of a runtime.
- `runtime`: beginning and end.
"""
