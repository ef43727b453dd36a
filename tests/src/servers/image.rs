//! Builds a container image with layers of random bytes.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::fixtures::{process::run, process_env::ProcessEnv};

/// Number of layers.
pub const LAYERS: usize = 3;
/// Size of the file in each layer, in bytes.
pub const LAYER_BYTES: u64 = 512 * 1024;

/// Builds the layers in `dir` and returns the image in the notation of skopeo's `tarball:` transport.
pub(crate) fn make(dir: &Path) -> Result<String> {
    let mut image = String::from("tarball");
    for layer in 0..LAYERS {
        let (file, tar) = (
            format!("layer-{layer}"),
            dir.join(format!("layer-{layer}.tar")),
        );
        write_noise(&dir.join(&file))?;
        let mut command = ProcessEnv::default().command("tar");
        command
            .arg("--create")
            .arg("--file")
            .arg(&tar)
            .arg("--directory")
            .arg(dir)
            .arg(&file);
        run(command, Duration::from_secs(10))?
            .success()
            .context("build a layer")?;
        fs::remove_file(dir.join(&file)).context("remove a packed file")?;
        image.push(':');
        image.push_str(&tar.to_string_lossy());
    }
    Ok(image)
}

fn write_noise(path: &Path) -> Result<()> {
    let mut noise = File::open("/dev/urandom")
        .context("open /dev/urandom")?
        .take(LAYER_BYTES);
    let mut file = File::create(path).with_context(|| format!("make {}", path.display()))?;
    io::copy(&mut noise, &mut file).context("write a layer's file")?;
    Ok(())
}
