"""Virtual environments for the peers, one for each set of packages that go together."""
import pathlib, subprocess, sys

REQUIREMENTS = pathlib.Path(__file__).parent / "requirements"
# clip-retrieval wants other versions of some packages than torch.txt pins; PyTorch itself, which is large, it shares.
SHARES = {"torch": None, "rclip": None, "clip-retrieval": "torch"}


def python(work, name):
    return str(work / "envs" / name / "bin" / "python")


def program(work, name):
    return str(work / "envs" / name / "bin" / name)


def make(work):
    """Makes the environments that are missing. Returns why one could not be made, by its name."""
    failed = {}
    for name, shared in SHARES.items():
        requirements, folder = REQUIREMENTS / f"{name}.txt", work / "envs" / name
        installed = folder / "installed.txt"
        if installed.exists() and installed.read_text() == requirements.read_text():
            continue
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        if shared:
            packages = "lib/python{}.{}/site-packages".format(*sys.version_info)
            (folder / packages / "peers.pth").write_text(str((work / "envs" / shared / packages).resolve()) + "\n")
        print(f"installing {requirements.name}", file=sys.stderr)
        done = subprocess.run([python(work, name), "-m", "pip", "install", "-q", "--no-cache-dir", "-r", requirements],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            installed.write_text(requirements.read_text())
        else:
            failed[name] = "could not be installed: " + done.stderr.strip().splitlines()[-1]
    return failed


def versions(work, name):
    """What is installed there, by package."""
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    lines = subprocess.run([python(work, name), "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # The environment's own packages come before those that it shares.
    return dict(line.lower().replace("_", "-").split("==") for line in reversed(lines))
