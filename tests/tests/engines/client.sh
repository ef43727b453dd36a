# A client in a container: client.sh PULLS AUTHORITY IMAGE COMMAND…
# Runs COMMAND, which pulls into the directory IMAGE, PULLS times, and prints which hosts answer.
pulls=$1 authority=$2 image=$3
shift 3

fetch() {
    curl --disable --silent --output /dev/null --cacert "$authority" --connect-timeout "$1" "https://$2/"
}

passed=0
for number in $(seq "$pulls"); do
    if "$@"; then
        passed=$((passed + 1))
    fi
    rm -rf "$image"
done
echo "$passed of $pulls pulls"
for host in evil.azurecr.io mallory.azurecr.io evil.blob.core.windows.net; do
    if fetch 1 "$host"; then
        echo "$host answers"
    fi &
done
wait
if fetch 10 www.example.org; then
    echo "www.example.org answers"
fi
