# shellcheck shell=sh
# Unpacks Debian's kernel for clouds: a hook of mmdebstrap(1), with the new system in $1 and the machine, by Debian's name, in arch.
# Only the kernel's own packages come, not what they depend on; newer suites split a kernel into several.
set -eu
root=$1
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
export APT_CONFIG

packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    "linux-image-cloud-$arch" | grep -E '^linux-(image|binary|modules)-[0-9]')
mkdir -p "$root/packages" "$root/usr/lib"
ln -s usr/lib "$root/lib"
cd "$root/packages"
# shellcheck disable=SC2086 # the names are words without spaces
apt-get -o APT::Sandbox::User=root download $packages
for package in ./*.deb; do
    dpkg-deb --extract "$package" "$root"
done
dpkg-deb --field ./linux-image-*.deb Version >"$root/version"
rm ./*.deb
for release in "$root"/lib/modules/*; do
    depmod --basedir "$root" "${release##*/}"
done
