"""
Runs a script under FSDP 2 in processes on the CPU: `accelerate launch --use_fsdp ... fsdp_on_cpu.py SCRIPT ARGUMENTS`.

accelerate shards on accelerators only; on a CPU it silently replicates. All that this changes is that answer, so that
the rest of accelerate's way to FSDP, and ours, runs where no GPU is.
"""

import runpy
import sys

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

make_state = AcceleratorState.__init__


def make_sharding_state(self, *arguments, fsdp_plugin=None, **options):
    make_state(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
    if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        self.fsdp_plugin = fsdp_plugin
        self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP


if __name__ == "__main__":
    AcceleratorState.__init__ = make_sharding_state
    sys.argv = sys.argv[1:]
    sys.path[0] = sys.argv[0].rpartition("/")[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
