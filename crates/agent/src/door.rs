//! The way to a model for an agent beside the server: the same door, the same token and the same peer as for a
//! command line inside the sandbox, over a stream that never leaves the process.

use domain::egress::Door;
use domain::limits;
use domain::turn::ModelAccess;
use llm::client::{ByteStream, ChatClient};
use llm::providers::ApiKey;
use std::sync::Arc;
use std::time::Duration;

const BUFFER_BYTES: usize = 64 << 10;

pub fn client(access: &ModelAccess) -> ChatClient {
    let (doors, peer) = (access.doors.clone(), access.peer);
    let open = move || {
        let doors = doors.clone();
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        // Ends when our half is dropped.
        tokio::spawn(async move { doors.serve(Box::new(far), peer, Door::Llm).await });
        let near: Box<dyn ByteStream> = Box::new(near);
        Box::pin(async move { Ok(near) }) as futures::future::BoxFuture<'static, _>
    };
    let token = ApiKey::new(access.token.expose());
    ChatClient::over(Arc::new(open), Some(token), Duration::from_secs(limits::AGENT_SILENCE_SECONDS_MAX))
}
