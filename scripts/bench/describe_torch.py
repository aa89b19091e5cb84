#!/usr/bin/env python3
"""What torch multiplies float32 matrices with here, and how fast; one JSON object.

usage: describe_torch.py THREADS
"""
import json
import sys
import time

import torch
import torchvision
import transformers

SIZE = 1024

torch.set_num_threads(int(sys.argv[1]))
a, b, out = torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE).t(), torch.empty(SIZE, SIZE)
best, begin = float("inf"), time.perf_counter()
while best == float("inf") or time.perf_counter() - begin < 0.3:
    start = time.perf_counter()
    torch.mm(a, b, out=out)
    best = min(best, time.perf_counter() - start)
print(
    json.dumps(
        {
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "transformers": transformers.__version__,
            "mkl": torch.backends.mkl.is_available(),
            "cpuCapability": torch.backends.cpu.get_cpu_capability(),
            "productRate": 2 * SIZE**3 / best,
        }
    )
)
