#!/usr/bin/env bash
# Photos encoded on two other hosts, over a real ssh: the features of one process, also when a host's connections are cut.
#
#   tests/two_hosts/run.sh PROGRAM FOLDER
#
# The hosts are network namespaces with an sshd each, the keys are made for the occasion, and PATH has an `ssh` that reads a
# configuration of ours. Installs nothing; where namespaces or sshd are missing it says so and ends well.
set -euo pipefail

program=$(realpath "$1")
photos=$(realpath "$2")
here=$(dirname "$(realpath "$0")")

skip() { printf 'skipped: two hosts, because %s\n' "$*"; exit 0; }
fail() { printf 'FAILED: two hosts: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || skip "only root makes network namespaces"
PATH=$PATH:/usr/sbin:/sbin
for tool in ip sshd ssh ssh-keygen python3; do
    command -v "$tool" >/dev/null || skip "there is no $tool"
done

scratch=$(mktemp -d)
# Names that no other run on this machine has.
client=shotlens-$$-client
hosts=(shotlens-$$-one shotlens-$$-two)
addresses=(10.99.1.2 10.99.2.2)

tidy() {
    local space pids
    for space in "$client" "${hosts[@]}"; do
        pids=$(ip netns pids "$space" 2>/dev/null) || continue
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
        ip netns delete "$space" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap tidy EXIT

for space in "$client" "${hosts[@]}"; do
    ip netns add "$space" 2>"$scratch/refused" || skip "the system makes no network namespace: $(tail -n 1 "$scratch/refused")"
    ip -n "$space" link set lo up
done

# A cable from the client to each host.
connect() {
    local host=$1 number=$2
    ip -n "$client" link add "to$number" type veth peer name eth0 netns "$host" 2>"$scratch/refused" ||
        skip "the system makes no virtual cable: $(tail -n 1 "$scratch/refused")"
    ip -n "$client" address add "10.99.$number.1/30" dev "to$number"
    ip -n "$client" link set "to$number" up
    ip -n "$host" address add "10.99.$number.2/30" dev eth0
    ip -n "$host" link set eth0 up
}
connect "${hosts[0]}" 1
connect "${hosts[1]}" 2

ssh-keygen -q -t ed25519 -N '' -f "$scratch/user"
ssh-keygen -q -t ed25519 -N '' -f "$scratch/host"
cp "$scratch/user.pub" "$scratch/authorized"
for address in "${addresses[@]}"; do
    printf '%s %s\n' "$address" "$(cut -d ' ' -f 1,2 "$scratch/host.pub")" >>"$scratch/known"
done
cat >"$scratch/sshd.conf" <<END
HostKey $scratch/host
AuthorizedKeysFile $scratch/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
END
cat >"$scratch/ssh.conf" <<END
IdentityFile $scratch/user
IdentitiesOnly yes
UserKnownHostsFile $scratch/known
GlobalKnownHostsFile none
StrictHostKeyChecking yes
User root
ConnectTimeout 20
END
mkdir "$scratch/bin"
printf '#!/bin/sh\nexec %q -F %q "$@"\n' "$(command -v ssh)" "$scratch/ssh.conf" >"$scratch/bin/ssh"
chmod +x "$scratch/bin/ssh"

# sshd wants this folder for its unprivileged half.
mkdir -p /run/sshd
listeners=()
for number in 0 1; do
    ip netns exec "${hosts[$number]}" "$(command -v sshd)" -D -e -f "$scratch/sshd.conf" 2>"$scratch/sshd.$number.log" &
    listeners+=($!)
    # Its end is no news.
    disown
done
in_client() { ip netns exec "$client" env PATH="$scratch/bin:$PATH" "$@"; }
for number in 0 1; do
    for try in $(seq 100); do
        if in_client ssh -o BatchMode=yes "${addresses[$number]}" true 2>"$scratch/ssh.log"; then break; fi
        [ "$try" -lt 100 ] || { cat "$scratch/sshd.$number.log" "$scratch/ssh.log" >&2; fail "no sshd answers at ${addresses[$number]}"; }
        sleep 0.2
    done
done

# The worker of a host, whose answers are counted. The second host's stops for good in its first answer, once, after saying so (dd, and byte by byte: head keeps
# the greetings back until it has all).
mkfifo "$scratch/stopped" "$scratch/never"
cat >"$scratch/worker-0" <<END
#!/bin/sh
"$program" "\$@" | tee -a "$scratch/answers.0"
END
cat >"$scratch/worker-1" <<END
#!/bin/sh
if [ -e "$scratch/stops" ] && rm "$scratch/stops"; then
    "$program" "\$@" | { dd bs=1 count=3000 status=none; echo stopped >"$scratch/stopped"; read -r _ <"$scratch/never"; }
else
    "$program" "\$@" | tee -a "$scratch/answers.1"
fi
END
chmod +x "$scratch/worker-0" "$scratch/worker-1"

# More photos than some batches: copies with a byte or two behind their end, which is another photo to whoever knows it by its hash.
mkdir "$scratch/photos"
for copy in 1 2 3; do
    find "$photos" -type f \( -name '*.jpg' -o -name '*.png' \) | while read -r photo; do
        named="$scratch/photos/$copy-${photo##*/}"
        cp "$photo" "$named"
        printf '%s' "$copy" >>"$named"
    done
done
printf '%s photos, two hosts\n' "$(find "$scratch/photos" -type f | wc -l)"

embed() {
    local name=$1
    shift
    in_client env SHOTLENS_HOME="$scratch/home-$name" "$program" embed "$scratch/photos" --device cpu --out "$scratch/$name.safetensors" "$@" \
        2>"$scratch/$name.log" || { cat "$scratch/$name.log" >&2; fail "embed ($name) ended with status $?"; }
}
workers=(--worker "ssh:${addresses[0]}:$scratch/worker-0" --worker "ssh:${addresses[1]}:$scratch/worker-1")
same() { python3 "$here/compare.py" "$scratch/alone.safetensors" "$scratch/$1.safetensors" || fail "$1: other features"; }

embed alone
embed hosts "${workers[@]}"
same hosts
[ ! -s "$scratch/hosts.log" ] || ! grep -q 'without it' "$scratch/hosts.log" || { cat "$scratch/hosts.log" >&2; fail "a host was not used"; }
for number in 0 1; do
    bytes=$(stat -c %s "$scratch/answers.$number")
    [ "$bytes" -gt 10000 ] || fail "${addresses[$number]} encoded nothing: $bytes bytes of answers"
    echo "${addresses[$number]} answered with $bytes bytes"
done

# Everything on the second host but its listener is killed while it owes an answer.
touch "$scratch/stops"
embed cut "${workers[@]}" &
embedding=$!
# Ends also where the embedding ends without anything having been stopped.
{ wait_for=$(timeout 300 cat "$scratch/stopped") && [ -n "$wait_for" ]; } || fail "the second host was given nothing"
for pid in $(ip netns pids "${hosts[1]}"); do
    [ "$pid" = "${listeners[1]}" ] || kill -9 "$pid" 2>/dev/null || true
done
wait "$embedding" || fail "the embedding did not survive the cut"
same cut
grep 'started again' "$scratch/cut.log" || { cat "$scratch/cut.log" >&2; fail "nobody was told of the cut"; }
echo "two hosts: the same features, also after a cut"
