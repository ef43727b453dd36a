//! What the driver of a network device reports.

use std::ffi::CStr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// `SIOCETHTOOL` (linux/sockios.h).
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// `ETHTOOL_GDRVINFO` (linux/ethtool.h).
const GDRVINFO: u32 = 3;

/// `struct ethtool_drvinfo` (linux/ethtool.h).
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    rest: [u8; 64],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// Returns the address of the device `name` on its bus, of this process's network namespace; `None` if it has none, or its driver does not say so.
pub(super) fn bus_address(name: &str) -> Option<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    let mut info = DriverInfo {
        command: GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        firmware: [0; 32],
        bus: [0; 32],
        rest: [0; 64],
    };
    // SAFETY: all zeros are a valid `ifreq`, which has integers and a pointer.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.bytes().map(|byte| byte as libc::c_char);
    // The last byte stays 0.
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(bytes) {
        *place = byte;
    }
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: the request and what it points to are locals of the layout that the kernel expects, and the descriptor is open.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if status != 0 {
        return None;
    }
    let address = CStr::from_bytes_until_nul(&info.bus).ok()?.to_str().ok()?;
    // Some drivers of virtual devices answer so.
    let is_none = matches!(address, "" | "N/A");
    (!is_none).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::bus_address;

    #[test]
    fn loopback_and_missing_devices_are_on_no_bus() {
        for name in ["lo", "", "missing0", "a-name-that-is-too-long"] {
            assert_eq!(bus_address(name), None, "{name}");
        }
    }
}
