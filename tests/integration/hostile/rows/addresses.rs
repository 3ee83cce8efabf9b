//! Targets that are hostile by where they lie, whatever would answer there.
//!
//! In documentation networks (198.51.100.0/24, 203.0.113.0/24) stands who is public.

use super::{Row, lines};

pub(super) fn rows() -> Vec<Row> {
    let tables = [LITERALS, KEYS, NAMES, CLUSTER];
    tables.into_iter().flat_map(lines).map(Row::parse).collect()
}

const LITERALS: &str = "
    -- this machine in every spelling: decimal, octal, hexadecimal, short
    127.0.0.1                          |      | loopback | 127.0.0.1:443
    127.0.0.1:5000                     | used | loopback | 127.0.0.1:5000
    127.8.8.8                          |      | loopback | 127.8.8.8:443
    127.1:5002                         |      | loopback | 127.0.0.1:5002
    127.0.1:5003                       |      | loopback | 127.0.0.1:5003
    2130706433:5004                    | used | loopback | 127.0.0.1:5004
    0x7f000001:5005                    |      | loopback | 127.0.0.1:5005
    0x7f.0.0.0x1:5006                  |      | loopback | 127.0.0.1:5006
    0177.0.0.1:5007                    |      | loopback | 127.0.0.1:5007
    017700000001:5008                  |      | loopback | 127.0.0.1:5008
    0x7f.1:5009                        | used | loopback | 127.0.0.1:5009
    localhost:5016                     |      | loopback | 127.0.0.1:5016
    registry.localhost:5017            |      | loopback | 127.0.0.1:5017
    -- IPv6, long and short; v4-mapped, v4-compatible, NAT64, 6to4
    [::1]:5000                         | used | loopback | [::1]:5000
    [0:0:0:0:0:0:0:1]:5010             |      | loopback | [::1]:5010
    [::ffff:7f00:1]:5012               | used | loopback | 127.0.0.1:5012
    [::7f00:1]:5013                    |      | loopback | [::7f00:1]:5013
    [64:ff9b::7f00:1]:5014             |      | loopback | [64:ff9b::7f00:1]:5014
    [2002:7f00:1::]:5015               |      | loopback | [2002:7f00:1::]:5015
    169.254.1.1                        |      | link_local | 169.254.1.1:443
    169.254.1.1:5000                   | used | link_local | 169.254.1.1:5000
    -- without a zone no socket goes there
    [fe80::1]:5000                     |      | link_local |
    169.254.169.254                    | used | metadata | 169.254.169.254:443
    169.254.169.254:80                 |      | metadata | 169.254.169.254:80
    2852039166:5020                    |      | metadata | 169.254.169.254:5020
    0xa9fea9fe:5021                    |      | metadata | 169.254.169.254:5021
    0251.0376.0251.0376:5022           |      | metadata | 169.254.169.254:5022
    169.254.43518:5023                 |      | metadata | 169.254.169.254:5023
    [::ffff:a9fe:a9fe]:5024            |      | metadata | 169.254.169.254:5024
    [64:ff9b::a9fe:a9fe]:5025          |      | metadata | [64:ff9b::a9fe:a9fe]:5025
    [2002:a9fe:a9fe::1]:5026           |      | metadata | [2002:a9fe:a9fe::1]:5026
    100.100.100.200                    | used | metadata | 100.100.100.200:443
    168.63.129.16                      | used | metadata | 168.63.129.16:443
    [fd00:ec2::254]:5027               | used | metadata | [fd00:ec2::254]:5027
    -- this machine answers there
    0.0.0.0:5028                       |      | unspecified | 127.0.0.1:5028
    0:5029                             | used | unspecified | 127.0.0.1:5029
    [::]:5030                          |      | unspecified | [::1]:5030
    -- TCP goes to one peer
    224.0.0.1                          |      | multicast |
    255.255.255.255                    |      | multicast |
    [ff02::1]:5000                     |      | multicast |
    -- in use by nobody
    10.2.0.1                           |      | private | 10.2.0.1:443
    167903234:5031                     |      | private | 10.2.0.2:5031
    172.20.0.1:5000                    |      | private | 172.20.0.1:5000
    192.168.7.7                        |      | private | 192.168.7.7:443
    100.64.1.1                         |      | private | 100.64.1.1:443
    198.18.0.1                         |      | private | 198.18.0.1:443
    240.0.0.1                          |      | private | 240.0.0.1:443
    [fd12:3456::1]:5000                |      | private | [fd12:3456::1]:5000
    [::ffff:a02:3]:5000                |      | private | 10.2.0.3:5000
    [64:ff9b:1::a02:4]:5000            |      | private | [64:ff9b:1::a02:4]:5000
";

const KEYS: &str = "
    -- a host that no URL carries
    1.2.3.4.5                               | | malformed | 1.2.3.4:443
    127.0.0.256                             | | malformed | 127.0.0.1:443
    -- no image can name such a host, so that there is nobody to be asked
    [::ffff:127.0.0.1]:5011                 | | no image in use | 127.0.0.1:5011
    [::ffff:169.254.169.254]:5018           | | no image in use | 169.254.169.254:5018
    [::127.0.0.1]:5019                      | | no image in use | [::7f00:1]:5019
    [::1%25lo]:5000                         | | no image in use | [::1]:5000
    [fe80::1%25lo]:5000                     | | no image in use |
    10.2.0.*                                | | no image in use | 10.2.0.1:443
    -- a fault of the key: the kubelet does not use it, and nor do we
    127.0.0.1.                              | | - | 127.0.0.1:443
    LOCALHOST:5016                          | | - | 127.0.0.1:5016
    ftp://10.2.0.8                          | | - | 10.2.0.8:443
    127\u{3002}0\u{3002}0\u{3002}1          | | - | 127.0.0.1:443
    \u{2460}27.0.0.1                        | | - | 127.0.0.1:443
    -- the host stands behind the `@`, and before `#` and `?`
    good.test@127.0.0.1                     | | loopback | 127.0.0.1:443
    https://good.test@127.0.0.1/            | | loopback | 127.0.0.1:443
    https://good.test:443@10.2.0.5:5000/v2/ | | private | 10.2.0.5:5000
    https://10.2.0.6#@good.test/            | | private | 10.2.0.6:443
    https://10.2.0.7?@good.test/            | | private | 10.2.0.7:443
    10.2.0.8%2f@unused.test                 | | unauthorized | 10.2.0.8:443
    169.254.169.254/latest/meta-data        | | metadata | 169.254.169.254:443
";

const NAMES: &str = "
    a1.evil.test             |      | loopback    | 127.0.0.1:443          | 127.0.0.1
    a2.evil.test:5000        | used | loopback    | 127.3.3.3:5000         | 127.3.3.3
    a3.evil.test:5000        |      | loopback    | [::1]:5000             | ::1
    a4.evil.test:5000        |      | loopback    | 127.0.0.1:5000         | ::ffff:127.0.0.1
    a5.evil.test:5000        |      | loopback    | [64:ff9b::7f00:1]:5000 | 64:ff9b::7f00:1
    a6.evil.test             |      | link_local  | 169.254.1.2:443        | 169.254.1.2
    a7.evil.test             | used | metadata    | 169.254.169.254:443    | 169.254.169.254
    a8.evil.test             |      | metadata    | 100.100.100.200:443    | 100.100.100.200
    a9.evil.test             |      | metadata    | 168.63.129.16:443      | 168.63.129.16
    a10.evil.test            |      | metadata    | [fd00:ec2::254]:443    | fd00:ec2::254
    a11.evil.test            |      | metadata    | [2002:a9fe:a9fe::1]:443 | 2002:a9fe:a9fe::1
    a12.evil.test            |      | unspecified | 127.0.0.1:443          | 0.0.0.0
    a13.evil.test            |      | private     | 10.2.1.1:443           | 10.2.1.1
    a14.evil.test            |      | private     | [fd12::1]:443          | fd12::1
    hosts-file.test          |      | private     | 10.9.9.9:443           |
    metadata.google.internal |      | metadata    | 169.254.169.254:443    | 169.254.169.254
    -- somebody uses the address, by its other port
    a15.evil.test            |      | private     | 10.3.0.1:443           | 10.3.0.1
";

/// What the cluster runs on, in use by a Pod: that opens nothing.
const CLUSTER: &str = "
    -- the API server that we read: its own clients speak plain HTTP, so that TLS there is a contact
    api.cluster.test:8001  | used | api_server   |
    203.0.113.20:8001      | used | api_server   |
    3405803796:8001        | used | api_server   |
    c1.evil.test:8001      | used | api_server   |                    | 203.0.113.20
    -- the one that the environment names, and its name
    10.96.0.1              | used | api_server   | 10.96.0.1:443
    kubernetes.default.svc | used | api_server   | 10.96.0.1:443      | 10.96.0.1
    c2.evil.test           | used | api_server   | 10.96.0.1:443      | 10.96.0.1
    -- components, on private and public addresses
    10.1.0.5:10250         | used | cluster_port | 10.1.0.5:10250
    203.0.113.30:10250     | used | cluster_port | 203.0.113.30:10250
    c3.evil.test:10255     | used | cluster_port | 10.1.0.5:10255     | 10.1.0.5
    c4.evil.test:2379      | used | cluster_port | 10.1.0.6:2379      | 10.1.0.6
    10.1.0.6:2380          | used | cluster_port | 10.1.0.6:2380
    10.1.0.6:6443          | used | cluster_port | 10.1.0.6:6443
    [fd12::6]:6443         | used | cluster_port | [fd12::6]:6443
    10.1.0.6:10249         | used | cluster_port | 10.1.0.6:10249
    10.1.0.6:10256         | used | cluster_port | 10.1.0.6:10256
    10.1.0.6:10257         | used | cluster_port | 10.1.0.6:10257
    10.1.0.6:10259         | used | cluster_port | 10.1.0.6:10259
";
