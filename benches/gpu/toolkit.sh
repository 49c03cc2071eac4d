#!/usr/bin/env bash
# Puts CUDA 13.0's compiler and libraries from PyPI into DIR, enough to build candle's `cuda` feature on a machine
# without a GPU or a CUDA installation, and prints the variables to export:
#     eval "$(benches/gpu/toolkit.sh ~/.cache/cuda13)"; cargo build --release --features cuda
# The result runs where NVIDIA's driver (libcuda.so.1) and CUDA 13's cudart, cublas, curand and nvrtc are installed.
# Set CUDA_COMPUTE_CAP to the GPU's (90: H100 and H200; 89: RTX 40; 86: RTX 30).
set -euo pipefail
dir=$(mkdir -p "${1:?usage: toolkit.sh DIR}" && cd "$1" && pwd)
if [[ ! -e $dir/ready ]]; then
  python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q "nvidia-cuda-nvcc==13.0.*" "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cccl==13.0.*" "nvidia-cuda-crt==13.0.*" \
    "nvidia-nvvm==13.0.*" "nvidia-cuda-nvrtc==13.0.*" "nvidia-cublas==13.0.*" nvidia-curand >&2
  home=$(echo "$dir"/venv/lib/python3*/site-packages/nvidia/cu13)
  ln -sfn lib "$home/lib64"
  for l in cudart cublas cublasLt curand nvrtc; do
    f=$(cd "$home/lib" && ls lib$l.so.[0-9]* | head -n 1) && ln -sf "$f" "$home/lib/lib$l.so"
  done
  # The driver library exists only where a GPU is: link against a stub with its symbols.
  mkdir -p "$home/lib/stubs"
  grep -ohE '\bcu[A-Z][A-Za-z0-9_]+' "$home/include/cuda.h" "$home/include/cudaTypedefs.h" | sort -u | sed 's/.*/void &(void) {}/' >"$dir/stub.c"
  gcc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" "$dir/stub.c"
  touch "$dir/ready"
fi
home=$(echo "$dir"/venv/lib/python3*/site-packages/nvidia/cu13)
echo "export CUDA_HOME=$home CUDA_PATH=$home CUDA_TOOLKIT_ROOT_DIR=$home CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-90}"
echo "export PATH=$home/bin:\$PATH LIBRARY_PATH=$home/lib:$home/lib/stubs"
