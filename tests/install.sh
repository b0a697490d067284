#!/bin/sh
# Installs the Debian packages that are missing: install.sh NEED=PACKAGE...
# A NEED is a command, a shared library (lib*.so.*) or a module of $PYTHON (import:NAME).
# It takes root or sudo. Without them it lists what is to be installed, and fails.

PATH="$PATH:/usr/sbin:/sbin"

is_there() {
  case $1 in
    import:*) "${PYTHON:-python3}" -c "import ${1#import:}" 2>/dev/null ;;
    lib*.so.*) ldconfig -p | grep -q "$1" ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

packages=""
for need; do
  is_there "${need%%=*}" || packages="$packages ${need##*=}"
done
[ -n "$packages" ] || exit 0

# Debian starts the services that a package brings, unless policy-rc.d exits with 101,
# "action forbidden by policy" (invoke-rc.d(8)).
install_as_root='
  export DEBIAN_FRONTEND=noninteractive
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    printf "#!/bin/sh\nexit 101\n" > $policy && chmod +x $policy
  fi
  apt-get update -q && apt-get install -qy --no-install-recommends "$@"'

if ! command -v apt-get >/dev/null; then
  why="There is no apt-get here."
elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
  why="That takes root, and there is no sudo here."
else
  echo "installing$packages"
  sudo="sudo -E"
  [ "$(id -u)" != 0 ] || sudo=""
  # shellcheck disable=SC2086  # words
  $sudo sh -c "$install_as_root" sh $packages && exit
  why="They could not be installed."
fi
{
  echo
  echo "These Debian packages are missing:$packages"
  echo "$why Let somebody who is root run this, then run make again:"
  echo
  echo "  apt-get update && apt-get install --no-install-recommends$packages"
  echo
} >&2
exit 1
