//! The web app's files, headers, and what stands beside them.

use axum::body::Body;

use serde_json::json;

use crate::server::{Answer, Server, request, scrub, token};

async fn fetch(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// What belongs to a representation, and must be the same whether it is asked for with GET, with HEAD or to be told of a change.
const ABOUT: [&str; 4] = ["etag", "cache-control", "vary", "content-encoding"];

fn about(answer: &Answer) -> Vec<(&'static str, String)> {
    ABOUT.map(|name| (name, answer.header(name).to_owned())).into()
}

/// What a browser asks with when somebody opens a page.
const PAGE: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];

#[tokio::test]
async fn every_screen_is_the_app() {
    let server = Server::start().await;
    let page = fetch(&server, "GET", "/", &[]).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-cache");
    for path in [
        "/history",
        "//history",
        "/people",
        "/people/",
        "/people/ada@example.org",
        "/people/api",
        "/channels",
        "/channels/x%2Fy",
        "/admin",
        "/doctor",
        "/index.html",
    ] {
        let screen = fetch(&server, "GET", path, &[]).await;
        assert_eq!((screen.status.as_u16(), &screen.text), (200, &page.text), "{path}");
    }
}

#[tokio::test]
async fn a_page_says_the_same_of_itself_however_it_is_asked_for() {
    let server = Server::start().await;
    for coding in ["br", "gzip", "identity"] {
        let page = fetch(&server, "GET", "/", &[("accept-encoding", coding)]).await;
        assert_eq!(page.header("vary"), "accept-encoding", "{coding}");
        assert!(page.header("etag").starts_with("W/\""), "{}", page.header("etag"));
        let head = fetch(&server, "HEAD", "/", &[("accept-encoding", coding)]).await;
        assert_eq!((head.status.as_u16(), head.text.as_str(), about(&head)), (200, "", about(&page)), "{coding}");
        assert_eq!(head.header("content-length"), page.header("content-length"), "{coding}");
        let tag = page.header("etag");
        let strong = tag.trim_start_matches("W/");
        let among = format!("\"older\", {tag}");
        for known in [tag, strong, among.as_str(), "*"] {
            for method in ["GET", "HEAD"] {
                let asked = [("accept-encoding", coding), ("if-none-match", known)];
                let answer = fetch(&server, method, "/", &asked).await;
                assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{method} {known}");
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(answer.header(name), page.header(name), "{name}, {method} {known}");
                }
            }
        }
        let older = fetch(&server, "GET", "/", &[("accept-encoding", coding), ("if-none-match", "W/\"older\"")]).await;
        assert_eq!(older.status, 200);
    }
}

#[tokio::test]
async fn files_that_are_not_there_are_not_found() {
    let server = Server::start().await;
    for path in ["/sw.js", "/robots.txt", "/favicon.ico", "/people.html", "/.env", "/a/b/app.js.map", "/assets/none.js"]
    {
        for asked in [&[][..], &PAGE] {
            let answer = fetch(&server, "GET", path, asked).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{path} {asked:?}");
            assert_eq!(answer.header("content-type"), "application/json", "{path}");
        }
    }
}

#[tokio::test]
async fn protocols_paths_are_no_pages() {
    let server = Server::start().await;
    for path in [
        "/any/rtc/validate",
        "/any/twirp/livekit.RoomService/ListRooms",
        "/api/nope",
        "/v1/api/calls",
        "/settings/regions",
        "/calls/1/2/3",
        "/webrtc/nope",
        "/ws/nope",
        "/whip/nope",
        "/socket.io/nope",
    ] {
        for asked in [&[][..], &PAGE] {
            let answer = fetch(&server, "GET", path, asked).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{path} {asked:?}");
        }
    }
    let twirp = fetch(&server, "POST", "/twirp/x", &[]).await;
    assert_eq!((twirp.status.as_u16(), &twirp.json()["code"]), (404, &"bad_route".into()), "in Twirp's form");
    for path in ["/rtc/v2", "/rtc/v2/validate"] {
        let answer = fetch(&server, "GET", path, &PAGE).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (404, "not found"), "{path} in LiveKit's form");
    }
    assert_eq!(fetch(&server, "GET", "/healthz", &[]).await.text, r#"{"status":"ok"}"#);
    assert_eq!(fetch(&server, "GET", "/metrics", &[]).await.status, 404, "on another port");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_cannot_be_kept_and_since_when_and_liveness_does_not_care() {
    let server = Server::start().await;
    let ask = async |path| fetch(&server, "GET", path, &[]).await;
    assert_eq!((ask("/readyz").await.status.as_u16(), ask("/readyz").await.text.as_str()), (200, r#"{"status":"ok"}"#));
    let (there, away) = (server.data().join("journal"), server.data().join("away"));
    std::fs::rename(&there, &away).unwrap();
    let refused = server.post("/api/calls/initiate", &token("alice"), json!({"targetUserId": "bob"})).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    let told = ask("/readyz").await;
    assert_eq!((told.status.as_u16(), told.header("retry-after")), (503, "1"));
    let mut told = told.json();
    scrub(&mut told);
    let trouble = json!([{"part": "journal", "cause": "replaced", "since": "[time]"}]);
    assert_eq!((&told["error"]["code"], &told["error"]["details"]["troubles"]), (&json!("unavailable"), &trouble));
    assert_eq!(ask("/healthz").await.status, 200);
    std::fs::rename(&away, &there).unwrap();
    for _ in 0..500 {
        if ask("/readyz").await.status == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("not ready again: {}", ask("/readyz").await.text);
}

#[tokio::test]
async fn where_nothing_is_people_get_a_page_and_programs_a_code() {
    let server = Server::start().await;
    let home = fetch(&server, "GET", "/", &[]).await;
    for path in ["/nowhere", "/channels/x/y", "/history/1", "/administration"] {
        let page = fetch(&server, "GET", path, &PAGE).await;
        assert_eq!((page.status.as_u16(), &page.text), (404, &home.text), "{path}");
        let varies: Vec<&str> = page.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
        assert!(varies.contains(&"accept") && varies.contains(&"accept-encoding"), "{path}: {varies:?}");
        let again = fetch(&server, "GET", path, &[PAGE[0], ("if-none-match", home.header("etag"))]).await;
        assert_eq!(again.status, 404, "{path} has not turned into something that is known");
        for asked in [&[][..], &[("accept", "*/*")], &[("accept", "application/json")]] {
            let code = fetch(&server, "GET", path, asked).await;
            assert_eq!((code.status.as_u16(), code.code().as_str()), (404, "not_found"), "{path} {asked:?}");
        }
        assert_eq!(fetch(&server, "POST", path, &PAGE).await.code(), "not_found");
    }
}

#[tokio::test]
async fn headers_keep_third_parties_out() {
    let server = Server::start().await;
    for path in ["/", "/api/session", "/api/none"] {
        let answer = fetch(&server, "GET", path, &[]).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert!(!policy.contains("http"), "no other host: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
    assert_eq!(fetch(&server, "GET", "/api/session", &[]).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn pictures_come_from_where_the_operator_says() {
    let server = Server::with(|config| config.image_sources = vec!["https://faces.test".into()]).await;
    let answer = fetch(&server, "GET", "/", &[]).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("img-src 'self' data: blob: https://faces.test;"), "{policy}");
    assert_eq!(policy.matches("https://").count(), 1, "for nothing else: {policy}");
}

async fn preflight(server: &Server, path: &str, method: &str, origin: &str, headers: &str) -> Answer {
    let asking =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    fetch(server, "OPTIONS", path, &asking).await
}

#[tokio::test]
async fn other_origins_are_let_in_by_name() {
    let server = Server::with(|config| config.cors_origins = vec!["https://app.test".into()]).await;
    for path in ["/api/calls", "/calls", "/webrtc/ice-servers", "/socket.io/", "/api/nope", "/calls/1/2/3"] {
        let named = preflight(&server, path, "POST", "https://app.test", "authorization").await;
        assert_eq!(named.header("access-control-allow-origin"), "https://app.test", "{path}");
        assert_eq!(named.header("access-control-allow-credentials"), "", "{path}");
        let other = preflight(&server, path, "POST", "https://evil.test", "authorization").await;
        assert_eq!(other.header("access-control-allow-origin"), "", "{path}");
    }
    let refused = fetch(&server, "GET", "/calls/1/2/3", &[("origin", "https://app.test")]).await;
    assert_eq!(
        (refused.code().as_str(), refused.header("access-control-allow-origin")),
        ("not_found", "https://app.test")
    );
}

/// `*` stands for every header but `Authorization` (Fetch standard, "CORS-preflight fetch"), and that is the one that matters.
#[tokio::test]
async fn other_origins_may_send_authorization_everywhere() {
    let server = Server::with(|config| config.cors_origins = vec!["https://app.test".into()]).await;
    for (path, method) in [
        ("/api/calls", "POST"),
        ("/api/calls/7", "PATCH"),
        ("/calls", "POST"),
        ("/channels/team/calls", "GET"),
        ("/webrtc/ice-servers", "GET"),
        ("/metrics", "GET"),
        ("/socket.io/", "POST"),
        ("/rtc/validate", "GET"),
        ("/rtc/v1/validate", "GET"),
        ("/rtc/v2", "GET"),
        ("/twirp/livekit.RoomService/ListRooms", "POST"),
        ("/twirp/x", "POST"),
        ("/nothing", "GET"),
    ] {
        let answer = preflight(&server, path, method, "https://app.test", "authorization,content-type").await;
        assert_eq!(answer.status, 200, "{path}");
        let allowed: Vec<&str> = answer.header("access-control-allow-headers").split(',').map(str::trim).collect();
        for header in ["authorization", "content-type"] {
            assert!(allowed.contains(&header), "{path}: {allowed:?}");
        }
        let methods = answer.header("access-control-allow-methods");
        assert!(methods.split(',').any(|allowed| allowed == method), "{path}: {methods}");
    }
}

#[tokio::test]
async fn the_apis_documentation_is_in_the_binary() {
    let server = Server::start().await;
    let page = fetch(&server, "GET", "/api/docs", &[]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.header("content-type").starts_with("text/html"));
    let mut files = 0;
    for path in page.text.split(['"', '\'']).filter(|piece| piece.ends_with(".js") || piece.ends_with(".css")) {
        assert!(path.starts_with("/assets/"), "a third party's file: {path}");
        assert_eq!(fetch(&server, "GET", path, &[]).await.status, 200, "{path}");
        files += 1;
    }
    assert!(files >= 2, "{}", page.text);
    let slash = fetch(&server, "GET", "/api/docs/", &[]).await;
    assert_eq!((slash.status.as_u16(), slash.header("location")), (308, "/api/docs"));
    assert_eq!(fetch(&server, "GET", "/api/docs/nothing.js", &[]).await.code(), "not_found");
}

#[tokio::test]
async fn who_takes_brotli_gets_the_files_as_they_are_and_all_others_the_same_text() {
    let server = Server::start().await;
    let plain = fetch(&server, "GET", "/", &[]).await;
    assert!(plain.text.contains("<div id=\"root\">"), "{}", plain.text);
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.header("vary").contains("accept-encoding"), "{}", plain.header("vary"));
    for asked in ["br", "gzip, deflate, br, zstd", "gzip;q=0.5, BR;q=1.0"] {
        let compressed = fetch(&server, "GET", "/", &[("accept-encoding", asked)]).await;
        assert_eq!((compressed.status.as_u16(), compressed.header("content-encoding")), (200, "br"), "{asked}");
        assert_eq!(compressed.header("etag"), plain.header("etag"));
        assert!(compressed.header("vary").contains("accept-encoding"));
    }
    for asked in ["identity", "br;q=0", "br;q=0.000, identity"] {
        let same = fetch(&server, "GET", "/", &[("accept-encoding", asked)]).await;
        assert_eq!((same.header("content-encoding"), &same.text), ("", &plain.text), "{asked}");
    }
    let gzip = fetch(&server, "GET", "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip", "as browsers ask for over plain HTTP");
    assert_eq!(fetch(&server, "GET", "/index.html.br", &[]).await.code(), "not_found");
}
