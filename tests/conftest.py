"""What holds for every test: Hypothesis does not judge by the clock, and looks ten times longer when soaking."""

import os

from hypothesis import settings

settings.register_profile("test", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("soak", settings.get_profile("test"), max_examples=1000)
settings.load_profile("soak" if os.environ.get("CONC_SOAK") else "test")
