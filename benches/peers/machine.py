"""The machine in words, without its name."""
import os, platform, re

WANTED = ("avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve", "bf16")


def described():
    info = open("/proc/cpuinfo").read()
    field = lambda name: (re.search(rf"^{name}\s*:\s*(.*)$", info, re.M) or [None, ""])[1]
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())[1]
    flags = (field("flags") or field("Features")).split()
    return {"cpu": field("model name") or platform.machine(), "family": f"family {field('cpu family')}, model {field('model')}",
            "cores": len(os.sched_getaffinity(0)), "virtual": "hypervisor" in flags,
            "instruction_sets": [flag for flag in WANTED if flag in flags], "memory_gb": round(int(memory) / 1e6),
            "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}", "python": platform.python_version()}


def load():
    """How many processes have wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2)
