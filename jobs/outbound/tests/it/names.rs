//! A name server that answers as it is told (RFC 1035), each time otherwise if that is wished.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::UdpSocket, task::JoinHandle};

const A: u16 = 1;
const AAAA: u16 = 28;

/// Serves until it is dropped.
pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    queries: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Names {
    /// `table`: what a name leads to the first time, the second time and so on; the last entry stands for all later times. A name
    /// that is not in it does not exist; one with no entry gets no answer at all. Nothing may be remembered.
    pub(crate) async fn serve(table: &[(&str, &[&[&str]])]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let table: HashMap<String, Vec<Vec<IpAddr>>> =
            table.iter().map(|(name, turns)| ((*name).to_owned(), turns.iter().map(parse).collect())).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let queries = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&queries);
        let task = tokio::spawn(async move {
            let mut asked: HashMap<(String, u16), usize> = HashMap::new();
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::SeqCst);
                let (name, kind, end) = question(&buffer[..length]);
                let turn = asked.entry((name.clone(), kind)).or_default();
                let found = table.get(&name).map(|turns| turns.get(*turn).or(turns.last()));
                *turn += 1;
                let Some(answer) = answer(&buffer[..end], kind, found) else {
                    continue;
                };
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, queries, task }
    }

    /// How many questions were asked; a look-up asks two, one for each family.
    pub(crate) fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The name and the type that are asked for, and where the question ends.
fn question(message: &[u8]) -> (String, u16, usize) {
    let mut labels = Vec::new();
    let mut at = 12;
    while message[at] != 0 {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), u16::from_be_bytes([message[at + 1], message[at + 2]]), at + 5)
}

/// `found`: `None` for a name that does not exist, `Some(None)` for silence.
fn answer(question: &[u8], kind: u16, found: Option<Option<&Vec<IpAddr>>>) -> Option<Vec<u8>> {
    let (code, addresses) = match found {
        None => (3, Vec::new()),
        Some(turn) => (
            0,
            turn?
                .iter()
                .filter(|address| (kind == A && address.is_ipv4()) || (kind == AAAA && address.is_ipv6()))
                .collect(),
        ),
    };
    let mut message = question.to_vec();
    message[2..4].copy_from_slice(&[0x85, 0x80 | code]);
    message[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
    for address in addresses {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name is the one at offset 12; class IN; to be forgotten at once.
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(octets.len()).unwrap()]);
        message.extend(octets);
    }
    Some(message)
}
