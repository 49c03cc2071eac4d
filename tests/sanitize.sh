#!/usr/bin/env bash
# The tests of the operations, whose kernels have `unsafe` code, under AddressSanitizer, once for each kernel that this
# processor has (the test `every_kernel_passes_the_tests_of_the_operations` starts them). Everything is built anew for the
# sanitizer, in a folder of its own, which takes minutes: this is no part of .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc --print host-tuple)
# SQLite's one file has constants of one name twice, which the sanitizer takes for two definitions of one thing.
export ASAN_OPTIONS=detect_odr_violation=0
# The sanitizer's runtime comes with the stable compiler, its switch does not.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitizer \
    cargo test --locked --lib --target "$target" clip::ops
