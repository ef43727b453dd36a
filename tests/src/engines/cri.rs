//! containerd as the kubelet uses it: the Container Runtime Interface, gRPC on its socket. containerd itself pulls.

use anyhow::{Result, ensure};

use super::{Containerd, ImageStore};
use crate::{
    clients::LIMIT,
    fixtures::{process::run_with_input, process_env::ProcessEnv},
};

/// The interface's service for images.
#[derive(Debug)]
pub struct Cri<'a> {
    containerd: &'a Containerd,
}

impl<'a> Cri<'a> {
    /// The service of `containerd`.
    #[must_use]
    pub fn of(containerd: &'a Containerd) -> Self {
        Self { containerd }
    }

    /// Calls a method whose request consists of an `ImageSpec`, with curl.
    fn call(&self, method: &str, image: &str) -> Result<()> {
        let mut curl = ProcessEnv::default().command("curl");
        curl.args(["--disable", "--silent", "--show-error", "--include"])
            .args(["--http2-prior-knowledge", "--noproxy", "*"])
            .args(["--header", "content-type: application/grpc"])
            .args(["--header", "te: trailers", "--data-binary", "@-"])
            .arg("--unix-socket")
            .arg(self.containerd.socket())
            .arg(format!("http://localhost/runtime.v1.ImageService/{method}"));
        let answer = run_with_input(curl, &message(image)?, LIMIT)?.success()?;
        // The status follows the message, whose end is no end of a line.
        let mut lines = answer.lines();
        ensure!(
            lines.any(|line| line.ends_with("grpc-status: 0")),
            "{method}: {answer}"
        );
        Ok(())
    }
}

/// Returns a length-prefixed message whose field 1 is a message whose field 1 is `image`.
fn message(image: &str) -> Result<String> {
    let field = |content: &[u8]| -> Result<Vec<u8>> {
        // Longer ones have a length of two bytes.
        let length = u8::try_from(content.len())
            .ok()
            .filter(|&length| length < 0x80);
        ensure!(length.is_some(), "{image} is too long");
        Ok([&[0x0a], length.as_slice(), content].concat())
    };
    let request = field(&field(image.as_bytes())?)?;
    let length = u32::try_from(request.len())?.to_be_bytes();
    Ok(String::from_utf8([&[0], &length[..], &request].concat())?)
}

impl ImageStore for Cri<'_> {
    fn pull(&self, image: &str) -> Result<()> {
        self.call("PullImage", image)
    }

    fn remove(&self, image: &str) -> Result<()> {
        self.call("RemoveImage", image)
    }
}
