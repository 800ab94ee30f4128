import conc, pytest, time
async def test_a_b_c(clock, nursery):
    nursery.start_soon(conc.sleep_forever)
    await conc.sleep(10); assert clock.now()==10
async def test_dead():
    await conc.sleep_forever()
@pytest.mark.conc(timeout=0.3)
async def test_spin():
    while True: await conc.checkpoint()
@pytest.mark.conc(timeout=0.3)
async def test_block():
    time.sleep(100)
@pytest.mark.conc(timeout=0.3, workers=2)
async def test_block2(nursery):
    async with conc.open_nursery(parallel=True) as n:
        async def b(): 
            time.sleep(3)
        n.start_soon(b)
async def test_fail(nursery):
    async def f(): raise ValueError(3)
    nursery.start_soon(f)
    await conc.sleep(1)
async def test_fail2(nursery):
    assert 1 == 2
async def test_skip(nursery):
    pytest.skip("x")
