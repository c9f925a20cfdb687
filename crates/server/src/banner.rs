//! What the server prints at start: where to point a browser, a QR code for a phone and, on the first start, the admin
//! link.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use model::Secret;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::admin_link::link;
use crate::config::Config;

/// The text to print once the server listens. `admin_code`: the one that was made for this start.
pub fn banner(
    config: &Config,
    admin_code: Option<&Secret<String>>,
    addresses: &[IpAddr],
    metrics: Option<SocketAddr>,
) -> String {
    let urls = Urls::of(config, addresses);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n  Stoa {} is running\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  this computer   {}", urls.here);
    for url in &urls.elsewhere {
        let _ = writeln!(text, "  other devices   {url}");
    }
    let another = format!("stoa token admin --data-dir {}", config.data_dir.display());
    match admin_code {
        Some(code) => {
            let _ = writeln!(text, "  admin           {}", link(urls.best(), code));
            let _ = writeln!(text, "                  works once, within ten minutes; for another: {another}");
        }
        None => {
            let _ = writeln!(text, "  admin           {another}");
        }
    }
    if let Some(address) = metrics {
        let _ = writeln!(text, "  metrics         http://{address}/metrics");
    }
    let _ = writeln!(text, "  data            {}", config.data_dir.display());
    if config.dev {
        let _ = writeln!(
            text,
            "\n  --dev is on: anyone can sign in with just a name, and the LiveKit key devkey/secret works."
        );
        if config.https.is_some() && config.certificate.is_none() {
            let _ = writeln!(text, "  The https certificate is self-signed: browsers ask once whether to trust it.");
        }
    }
    if let Some(url) = urls.elsewhere.first()
        && let Ok(code) = QrCode::new(url)
    {
        let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        let _ = writeln!(text);
        for line in drawn.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Where the web app is, for a link.
pub fn web_app_url(config: &Config, addresses: &[IpAddr]) -> String {
    Urls::of(config, addresses).best().to_owned()
}

struct Urls {
    here: String,
    elsewhere: Vec<String>,
    public: Option<String>,
}

impl Urls {
    fn of(config: &Config, addresses: &[IpAddr]) -> Self {
        let http = config.http.address;
        let host = |ip: IpAddr| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        let here_host = if http.ip().is_unspecified() || http.ip().is_loopback() {
            "localhost".to_owned()
        } else {
            host(http.ip())
        };
        let mut elsewhere: Vec<String> = config.public_url.clone().into_iter().collect();
        // A phone's camera needs https.
        let (scheme, listen) = match &config.https {
            Some(https) => ("https", https.address),
            None => ("http", http),
        };
        if listen.ip().is_unspecified() {
            let lan = addresses.iter().filter(|ip| ip.is_ipv4() && !ip.is_loopback());
            elsewhere.extend(lan.map(|ip| format!("{scheme}://{}:{}", host(*ip), listen.port())));
        }
        Self { here: format!("http://{here_host}:{}", http.port()), elsewhere, public: config.public_url.clone() }
    }

    fn best(&self) -> &str {
        self.public.as_deref().unwrap_or(&self.here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{flags, validate};

    fn printed(pairs: &[(&'static str, &str)]) -> String {
        let given = pairs.iter().map(|(name, value)| (*name, "flag", (*value).to_owned())).collect();
        let config = validate(&flags(given).expect("known"), 1).expect("valid");
        let addresses = ["10.0.0.5".parse().expect("ip"), "127.0.0.1".parse().expect("ip")];
        let metrics = config.admin_http.as_ref().map(|admin| admin.listen.address);
        let later = banner(&config, None, &addresses, metrics);
        assert!(!later.contains("#code=") && later.contains("stoa token admin"), "{later}");
        banner(&config, Some(&Secret::new("CODE".to_owned())), &addresses, metrics)
    }

    #[test]
    fn says_where_to_go() {
        let dev = printed(&[("dev", "true")]);
        for line in
            ["http://localhost:7880\n", "https://10.0.0.5:7843\n", "http://localhost:7880/admin#code=CODE\n", "█"]
        {
            assert!(dev.contains(line), "{line:?} is not in {dev}");
        }
        assert!(dev.contains("http://127.0.0.1:7879/metrics\n"), "{dev}");
        assert!(!printed(&[("admin_http", "off")]).contains("metrics"));
        let plain = printed(&[("http", "127.0.0.1:9000")]);
        assert!(plain.contains("http://localhost:9000\n") && !plain.contains("other devices"), "{plain}");
        let public = printed(&[("public_url", "https://calls.example.org/")]);
        assert!(public.contains("https://calls.example.org/admin#code=CODE"), "{public}");
    }
}
