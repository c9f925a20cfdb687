//! The load generator behind `stoa bench`: rooms of one publisher and many subscribers against any LiveKit server.

/// What to load, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server's URL
    #[arg(long, default_value = "ws://localhost:7880")]
    pub url: String,
}

/// Runs the load.
pub fn run(options: Options) -> anyhow::Result<()> {
    anyhow::bail!("nothing loads {} yet", options.url)
}
