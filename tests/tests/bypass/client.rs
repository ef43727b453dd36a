//! A process of the scope that sends by means of packet sockets, datagrams and streams.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use lab::fixtures::{process::Running, process_env::ProcessEnv};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use crate::comparison::SendResult;

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/frame_client.py"
);
/// An unprivileged user.
pub(crate) const NOBODY: &str = "65534";

/// The process; killed when dropped.
pub(crate) struct Client {
    commands: PipeWriter,
    answers: BufReader<PipeReader>,
    sockets: u32,
    _running: Running,
}

/// The number of a socket of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket(u32);

/// The result of a call.
#[derive(Debug, Deserialize)]
struct CallResult {
    errno: Option<i32>,
    #[serde(deserialize_with = "bytes")]
    data: Option<Vec<u8>>,
}

impl Client {
    /// Starts the process as root.
    pub(crate) fn start(env: &ProcessEnv) -> Result<Self> {
        Self::start_as(&["0"], env)
    }

    /// Starts the process as an unprivileged user.
    pub(crate) fn start_unprivileged(env: &ProcessEnv) -> Result<Self> {
        Self::start_as(&[NOBODY], env)
    }

    /// Starts the process as an unprivileged user that can become the owner of two network devices.
    pub(crate) fn start_owner(env: &ProcessEnv) -> Result<Self> {
        Self::start_as(&[NOBODY, "2"], env)
    }

    fn start_as(arguments: &[&str], env: &ProcessEnv) -> Result<Self> {
        let (input, commands) = std::io::pipe()?;
        let (answers, output) = std::io::pipe()?;
        let mut command = env.command("python3");
        command.args(["-S", "-B", TOOL]).args(arguments);
        command.stdin(input).stdout(output);
        Ok(Self {
            _running: Running::start("frame-client", command)?,
            commands,
            answers: BufReader::new(answers),
            sockets: 0,
        })
    }

    /// Opens a socket with a command of the tool.
    pub(crate) fn open(&mut self, command: Value) -> Result<Socket> {
        self.sockets += 1;
        let socket = Socket(self.sockets);
        self.on(socket, command)?;
        Ok(socket)
    }

    /// Runs a command of the tool on a socket, which has to succeed.
    pub(crate) fn on(&mut self, socket: Socket, command: Value) -> Result<()> {
        let text = command["do"].to_string();
        let errno = self.call(socket, command)?.errno;
        let error = errno.map(std::io::Error::from_raw_os_error);
        ensure!(error.is_none(), "{text}: {error:?}");
        Ok(())
    }

    /// Sends bytes on a connected socket.
    pub(crate) fn send(&mut self, socket: Socket, data: &[u8]) -> Result<()> {
        self.on(socket, json!({"do": "send", "data": hex(data)}))
    }

    /// Accepts a connection of a listening socket.
    pub(crate) fn accept(&mut self, listening: Socket) -> Result<Socket> {
        self.open(json!({"do": "accept", "of": listening.0}))
    }

    /// Receives one message, or the next bytes of a stream; `None` if nothing comes.
    pub(crate) fn receive(&mut self, socket: Socket) -> Result<Option<Vec<u8>>> {
        let result = self.call(socket, json!({"do": "receive"}))?;
        match result.errno {
            None => Ok(result.data),
            Some(libc::ETIMEDOUT) => Ok(None),
            Some(other) => bail!("receive: {}", std::io::Error::from_raw_os_error(other)),
        }
    }

    /// Whether the next bytes of a stream are `answer`; no if nothing comes, or the connection ends.
    pub(crate) fn is_answered(&mut self, socket: Socket, answer: &[u8]) -> Result<bool> {
        let result = self.call(socket, json!({"do": "receive"}))?;
        Ok(result.data.is_some_and(|data| data == answer))
    }

    /// Runs a command of the tool that sends, which may fail.
    pub(crate) fn try_on(&mut self, socket: Socket, command: Value) -> Result<SendResult> {
        let errno = self.call(socket, command)?.errno;
        Ok(errno.map_or(SendResult::OneWay, SendResult::Refused))
    }

    /// Runs a command of the tool on a new socket, which may fail.
    pub(crate) fn try_open(&mut self, command: Value) -> Result<Result<Socket, i32>> {
        self.sockets += 1;
        let socket = Socket(self.sockets);
        let errno = self.call(socket, command)?.errno;
        Ok(errno.map_or(Ok(socket), Err))
    }

    fn call(&mut self, socket: Socket, mut command: Value) -> Result<CallResult> {
        command["socket"] = socket.0.into();
        writeln!(self.commands, "{command}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{}: {line:?}", command["do"]))
    }
}

/// Returns bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
        u8::from_str_radix(pair, 16).map_err(D::Error::custom)
    };
    let bytes = text.map(|text| text.as_bytes().chunks(2).map(byte).collect());
    bytes.transpose()
}
