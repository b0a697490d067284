# For the Makefile: run a command as root, with sudo where that is needed.
export DEBIAN_FRONTEND=noninteractive
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -E "$@"; fi; }

# The same for apt-get, which then starts none of the services that it installs
# (invoke-rc.d(8): policy-rc.d exits with 101, "action forbidden by policy").
without_services() {
  policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then as_root "$@"; return; fi
  as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy"
  as_root "$@" && status=0 || status=$?
  as_root rm -f $policy
  return $status
}
