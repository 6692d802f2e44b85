#!/usr/bin/env bash
# Debian programs that the tests talk to, unpacked beside the project's environment; nothing of the machine is altered, and root is not needed.
# The versions are pinned. Where the archive has gone on (a security update), its present one is taken, and that is said.
set -euo pipefail
into="$1"
packages=(
  openssh-server=1:9.2p1-2+deb12u10
  openssh-sftp-server=1:9.2p1-2+deb12u10
  libwrap0=7.6.q-32
  lftp=4.9.2-2+b1
  rclone=1.60.1+dfsg-2+b5
  putty-tools=0.78-2+deb12u2
  strace=6.1-0.1
  libfaketime=0.9.10-2.1
  libunwind8=1.6.2-3
)
if ! command -v apt-get > /dev/null || ! command -v dpkg-deb > /dev/null; then
  echo "no Debian here: sshd, lftp, rclone, psftp, strace and faketime are not tried" >&2
  exit 0
fi
mkdir -p "$into/lists/partial" "$into/archives/partial" "$into/root"
into="$(cd "$into" && pwd)"
apt=(apt-get -qq -o "Dir::State::lists=$into/lists" -o "Dir::Cache=$into" -o "Dir::Cache::archives=$into/archives" -o Debug::NoLocking=1)
"${apt[@]}" update 2> /dev/null || echo "the package lists could not be renewed" >&2
cd "$into/archives"
for package in "${packages[@]}"; do
  if ! "${apt[@]}" download "$package" 2> /dev/null; then
    echo "${package} is not in the archive any more; taking what there is" >&2
    "${apt[@]}" download "${package%%=*}" || { echo "${package%%=*}: not to be had; what needs it is not tried" >&2; continue; }
  fi
done
for file in *.deb; do
  dpkg-deb -x "$file" "$into/root"
done
rm -rf "$into/archives" "$into/lists"
