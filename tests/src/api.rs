//! The cloud's API as a person's program uses it: over TLS, with the cloud's own CA as the only
//! root.

use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// An agent that trusts one CA.
///
/// # Panics
/// Where `ca_pem` holds no certificate.
#[must_use]
pub fn agent(ca_pem: &str) -> Agent {
    let ca = Certificate::from_pem(ca_pem.as_bytes()).expect("a certificate");
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca])).build();
    Agent::config_builder().tls_config(tls).http_status_as_error(false).build().new_agent()
}

/// Somebody who has logged in.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    base: String,
    cookie: String,
    csrf: String,
}

impl Api {
    /// Logs in.
    ///
    /// # Panics
    /// Where that is refused.
    #[must_use]
    pub fn log_in(base: &str, ca_pem: &str, login: &str, password: &str) -> Self {
        let agent = agent(ca_pem);
        let mut answer = agent
            .post(format!("{base}/api/v1/login"))
            .header("Content-Type", "application/json")
            .send(json!({ "login": login, "password": password }).to_string())
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the API answers in text");
        assert_eq!(answer.status(), 200, "{text}");
        let cookie = answer.headers()["set-cookie"].to_str().expect("a cookie is text");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let csrf = read(&text)["csrf"].as_str().expect("a login has a csrf token").to_owned();
        Self { agent, base: base.to_owned(), cookie, csrf }
    }

    /// `GET /api/v1` and `path`.
    ///
    /// # Panics
    /// Where the answer is none of status 200.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let mut answer = self
            .agent
            .get(format!("{}/api/v1{path}", self.base))
            .header("Cookie", &self.cookie)
            .call()
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the API answers in text");
        assert_eq!(answer.status(), 200, "{path}: {text}");
        read(&text)
    }

    /// `POST /api/v1` and `path`, with nothing in it.
    ///
    /// # Panics
    /// Where the answer is none of status 200 or 201.
    pub fn post(&self, path: &str) -> Value {
        self.post_json(path, &serde_json::json!({}))
    }

    /// The same, with a body.
    ///
    /// # Panics
    /// Where the answer is none of status 200 or 201.
    pub fn post_json(&self, path: &str, body: &Value) -> Value {
        let mut answer = self
            .agent
            .post(format!("{}/api/v1{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-CSRF-Token", &self.csrf)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the API answers in text");
        assert!(answer.status().is_success(), "{path}: {text}");
        read(&text)
    }

    /// `POST /api/v1` and `path`, whatever comes of it.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    pub fn try_post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut answer = self
            .agent
            .post(format!("{}/api/v1{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-CSRF-Token", &self.csrf)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the API answers in text");
        (answer.status().as_u16(), read(&text))
    }

    /// `POST /api/v1` and `path`, with bytes, whatever comes of it.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    pub fn post_bytes(&self, path: &str, bytes: &[u8]) -> (u16, Value) {
        let mut answer = self
            .agent
            .post(format!("{}/api/v1{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("X-CSRF-Token", &self.csrf)
            .header("Content-Type", "application/octet-stream")
            .send(bytes)
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the API answers in text");
        (answer.status().as_u16(), read(&text))
    }

    /// `GET /api/v1` and `path`: the answer as it begins, of any status.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    pub fn open(&self, path: &str) -> ureq::http::Response<ureq::Body> {
        let request = self.agent.get(format!("{}/api/v1{path}", self.base));
        request.header("Cookie", &self.cookie).call().expect("the API answers")
    }

    /// Every call, page by page.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        let mut calls = Vec::new();
        let mut page = self.get("/calls?limit=200");
        loop {
            calls.extend(items(&page, "calls"));
            let Some(next) = page["next"].as_str() else { return calls };
            page = self.get(&format!("/calls?limit=200&cursor={next}"));
        }
    }

    /// The newest record of each registration.
    #[must_use]
    pub fn registrations(&self) -> Vec<Value> {
        items(&self.get("/registrations?limit=200"), "registrations")
    }

    /// The newest record of each peer relation.
    #[must_use]
    pub fn peers(&self) -> Vec<Value> {
        items(&self.get("/peers?limit=200"), "peers")
    }

    /// One call with everything.
    #[must_use]
    pub fn call(&self, id: &str) -> Value {
        self.get(&format!("/calls/{id}"))
    }

    /// Every sensor.
    #[must_use]
    pub fn sensors(&self) -> Vec<Value> {
        items(&self.get("/sensors"), "sensors")
    }

    /// The sensor of this name, if there is one.
    #[must_use]
    pub fn sensor(&self, name: &str) -> Option<Value> {
        self.sensors().into_iter().find(|sensor| sensor["name"] == name)
    }

    /// The sensor of this device, if there is one.
    #[must_use]
    pub fn sensor_by_id(&self, device: &str) -> Option<Value> {
        self.sensors().into_iter().find(|sensor| sensor["id"] == device)
    }

    /// The device among those that belong to nobody.
    #[must_use]
    pub fn stranger(&self, device: &str) -> Option<Value> {
        let strangers = items(&self.get("/strangers"), "strangers");
        strangers.into_iter().find(|stranger| stranger["device"] == device)
    }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn items(answer: &Value, name: &str) -> Vec<Value> {
    answer[name].as_array().expect("a list").clone()
}
