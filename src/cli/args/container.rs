//! The command line of what a task wants of its container.

use std::path::Path;

use clap::Args;
use spawner::{ContainerOptions, Pull};

use crate::cli::failure::Failure;
use crate::cli::values;

const HEADING: &str = "In a container";

/// What a task wants of its container; a backend without containers refuses it.
#[derive(Debug, Args)]
pub(crate) struct ContainerArgs {
    /// Run it in this image, in place of the configured one
    #[arg(long, value_name = "IMAGE", help_heading = HEADING)]
    image: Option<String>,
    /// Fetch the image `never`, where it is `missing`, or `always`
    #[arg(long, value_name = "WHEN", value_parser = values::pull, help_heading = HEADING)]
    pull: Option<Pull>,
    /// Its network: `none`, `bridge`, `host`, or one of the engine's by name
    #[arg(long, value_name = "MODE", help_heading = HEADING)]
    network: Option<String>,
    /// Run it as this user of the image: `name`, `uid` or `uid:gid`
    #[arg(long, value_name = "USER", help_heading = HEADING)]
    user: Option<String>,
    /// Show it this folder or file of the host; repeatable
    #[arg(long = "volume", value_name = "HOST:CONTAINER[:ro]", value_parser = values::volume, help_heading = HEADING)]
    volumes: Vec<String>,
    /// Have an init as its first process, or with `=false` none
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help_heading = HEADING
    )]
    init: Option<bool>,
    /// Give its container this label; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::label, help_heading = HEADING)]
    labels: Vec<(String, String)>,
}

impl ContainerArgs {
    /// As the specification of a task has it.
    pub(crate) fn options(&self) -> Result<ContainerOptions, Failure> {
        Ok(ContainerOptions {
            image: self.image.clone(),
            pull: self.pull,
            network: self.network.clone(),
            user: self.user.clone(),
            volumes: self.volumes.iter().map(|volume| absolute(volume)).collect::<Result<_, _>>()?,
            init: self.init,
            labels: self.labels.iter().cloned().collect(),
        })
    }
}

/// A path of the host that is relative to the working directory, as people type it, made absolute: the engine
/// has another one.
fn absolute(volume: &str) -> Result<String, Failure> {
    let Some((host, rest)) = volume.split_once(':').filter(|(host, _)| host.starts_with('.')) else {
        return Ok(volume.to_owned());
    };
    let path = std::path::absolute(Path::new(host)).ok().and_then(|path| Some(path.to_str()?.to_owned()));
    match path {
        Some(path) => Ok(format!("{path}:{rest}")),
        None => {
            Err(Failure::new(format!("cannot tell where the volume `{host}` is: write an absolute path")))
        }
    }
}
