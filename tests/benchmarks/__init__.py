"""What the course costs beside other tools on the same work; run by hand, not by pytest."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's messages are no result; before torch is imported
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
