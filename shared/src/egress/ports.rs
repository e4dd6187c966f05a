//! The ports that may be called.
//!
//! A TLS handshake on another service's port is a port scan from our address, and a text protocol there may act on
//! the bytes that it receives. Below 1024 only 443 is a web port. From 1024 up webhooks may be on almost any port, so
//! only the well-known ports of other services are refused.

use super::UrlError;

/// Checks whether a webhook may be on this port.
///
/// # Errors
///
/// [`UrlError::PortTooLow`] below 1024 except for 443; [`UrlError::PortOfService`] for another service's well-known
/// port.
pub(super) fn vet(port: u16) -> Result<(), UrlError> {
    if port < 1024 && port != 443 {
        return Err(UrlError::PortTooLow { port });
    }
    match NOT_WEB.iter().find(|(taken, _)| *taken == port) {
        Some((_, service)) => Err(UrlError::PortOfService { port, service }),
        None => Ok(()),
    }
}

/// Ports from 1024 up that belong to another service. Rows marked F are the Fetch standard's "bad ports"
/// (<https://fetch.spec.whatwg.org/#port-blocking>). The others are the default ports of databases, queues and
/// control planes.
#[rustfmt::skip]
const NOT_WEB: &[(u16, &str)] = &[
    (1433, "Microsoft SQL Server"),
    (1434, "Microsoft SQL Server"),
    (1521, "Oracle Database"),
    (1719, "H.323"), // F
    (1720, "H.323"), // F
    (1723, "PPTP"), // F
    (1883, "MQTT"),
    (2049, "NFS"), // F
    (2181, "ZooKeeper"),
    (2375, "Docker"),
    (2376, "Docker"),
    (2377, "Docker Swarm"),
    (2379, "etcd"),
    (2380, "etcd"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (3659, "Apple SASL"), // F
    (4045, "NFS lock manager"), // F
    (4190, "ManageSieve"), // F
    (4222, "NATS"),
    (4369, "Erlang port mapper"),
    (4646, "Nomad"),
    (5060, "SIP"), // F
    (5061, "SIP"), // F
    (5432, "PostgreSQL"),
    (5671, "AMQP"),
    (5672, "AMQP"),
    (5900, "VNC"),
    (5984, "CouchDB"),
    (5985, "WinRM"),
    (5986, "WinRM"),
    (6000, "X11"), // F
    (6379, "Redis"),
    (6380, "Redis"),
    (6443, "Kubernetes API server"),
    (6566, "SANE"), // F
    (6665, "IRC"), // F
    (6666, "IRC"), // F
    (6667, "IRC"), // F
    (6668, "IRC"), // F
    (6669, "IRC"), // F
    (6679, "IRC"), // F
    (6697, "IRC"), // F
    (8086, "InfluxDB"),
    (8200, "Vault"),
    (8300, "Consul"),
    (8500, "Consul"),
    (8501, "Consul"),
    (8883, "MQTT"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (9300, "Elasticsearch"),
    (10080, "Amanda"), // F
    (10250, "Kubernetes kubelet"),
    (10255, "Kubernetes kubelet"),
    (10257, "Kubernetes controller manager"),
    (10259, "Kubernetes scheduler"),
    (11211, "Memcached"),
    (15672, "RabbitMQ management"),
    (26257, "CockroachDB"),
    (26379, "Redis Sentinel"),
    (27017, "MongoDB"),
    (27018, "MongoDB"),
    (27019, "MongoDB"),
    (33060, "MySQL"),
    (61616, "ActiveMQ"),
];
