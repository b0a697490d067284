"""Formats of programs that run on the Java virtual machine."""

from server.formats.clocks import AMERICAN, DAY_FIRST, ISO, PACKED, SHORT_SLASHED
from server.formats.format import Example, Format
from server.formats.levels import Level

_TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
_ISO = r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,:]\d{3,9}(?:Z|[+-]\d\d:?\d\d)?)"
_LEVEL = r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL|FINE|FINER|FINEST|CONFIG|WARNING|SEVERE)"

FORMATS = (
    Format(
        "zookeeper",
        "Apache Zookeeper",
        rf"^{_ISO} (?:\[myid:[^\]]*\] )?- {_LEVEL} +\[.*\] - (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27 10:00:00,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:"
                b"FastLeaderElection@774] - Notification time out: 3200",
                Level.INFO,
                _TEN + 0.747,
            ),
            Example(
                b"2026-11-27 10:00:00,394 [myid:2] - WARN  [SendWorker:188978561024:"
                b"QuorumCnxManager$SendWorker@688] - Send worker leaving, ERROR follows",
                Level.WARNING,
                _TEN + 0.394,
            ),
        ),
    ),
    Format(
        "spring-boot",
        "Spring Boot",
        rf"^{_ISO} +{_LEVEL} \d+ --- (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.175Z  INFO 93649 --- [shop] [  task-1] o.e.Shop  : Started",
                Level.INFO,
                _TEN + 0.175,
            ),
            Example(
                b"2026-11-27 07:00:00.681-0300 ERROR 1 --- [main] o.e.Shop : Cannot open",
                Level.ERROR,
                _TEN + 0.681,
            ),
        ),
    ),
    Format(
        "kafka",
        "Apache Kafka",
        rf"^\[{_ISO}\] {_LEVEL} (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"[2026-11-27 10:00:00,226] INFO [SocketServer nodeId=1] Enabling processing."
                b" (kafka.network.SocketServer)",
                Level.INFO,
                _TEN + 0.226,
            ),
            Example(
                b"[2026-11-27 10:00:00,234] WARN [Broker id=1] INFO was asked for (kafka.Server)",
                Level.WARNING,
                _TEN + 0.234,
            ),
        ),
    ),
    Format(
        "elasticsearch",
        "Elasticsearch and OpenSearch",
        rf"^\[{_ISO}\]\[{_LEVEL} *\]\[(?P<body>.*)",
        (ISO,),
        (
            Example(
                b"[2026-11-27T10:00:00,262][INFO ][o.e.n.Node               ] [demo] starting",
                Level.INFO,
                _TEN + 0.262,
            ),
            Example(
                b"[2026-11-27T10:00:00,262][ERROR][o.e.b.Bootstrap          ] [demo] Exception",
                Level.ERROR,
                _TEN + 0.262,
            ),
        ),
    ),
    Format(
        "hdfs",
        "Hadoop's file system",
        rf"^(?P<time>\d{{6}} \d{{6}}) \d+ {_LEVEL} (?P<body>.*)",
        (PACKED,),
        (
            Example(
                b"261127 100000 148 INFO dfs.DataNode$PacketResponder: Responder 1 terminating",
                Level.INFO,
                _TEN,
            ),
            Example(
                b"261127 100000 19 WARN dfs.FSDataset: Unexpected error trying to delete block",
                Level.WARNING,
                _TEN,
            ),
        ),
    ),
    Format(
        "spark",
        "Apache Spark",
        rf"^(?P<time>\d\d/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?) {_LEVEL} (?P<body>.*)",
        (SHORT_SLASHED,),
        (
            Example(b"26/11/27 10:00:00 INFO storage.BlockManager: Found it", Level.INFO, _TEN),
            Example(b"26/11/27 10:00:00 WARN Utils: Set a hostname", Level.WARNING, _TEN),
        ),
    ),
    Format(
        "log4j",
        "log4j and logback with a date, a level and a thread: Hadoop, HBase, Cassandra, Solr",
        rf"^{_ISO} +(?:\[[^\]]*\]+ +)?{_LEVEL} +(?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27 10:00:00,978 INFO [main] org.apache.hadoop.MRAppMaster: ERROR in name",
                Level.INFO,
                _TEN + 0.978,
            ),
            Example(
                b"2026-11-27 10:00:00,978 [http-nio-8080-exec-1] ERROR c.e.Shop - no such item",
                Level.ERROR,
                _TEN + 0.978,
            ),
            Example(
                b"2026-11-27 10:00:00.978 [main] FATAL c.e.Shop - cannot go on",
                Level.CRITICAL,
                _TEN + 0.978,
            ),
        ),
    ),
    Format(
        "log4j-piped",
        "log4j with bars",
        rf"^{_ISO} \| +{_LEVEL} +\| (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.514Z |  INFO | vim-async-1 | Events.java | 806 | Posted",
                Level.INFO,
                _TEN + 0.514,
            ),
        ),
    ),
    Format(
        "logback",
        "logback and log4j2 as they are without configuration, which tell no date",
        rf"^(?P<time>\d\d:\d\d:\d\d[.,]\d{{3}}) \[[^\]]*\] {_LEVEL} +(?P<body>.*)",
        (),
        (
            Example(b"10:00:00.123 [main] INFO  c.e.Shop -- opened", Level.INFO),
            Example(b"10:00:00.123 [main] ERROR c.e.Shop - cannot open", Level.ERROR),
        ),
    ),
    Format(
        "tomcat",
        "Apache Tomcat",
        rf"^(?P<time>\d\d-[A-Z][a-z]{{2}}-\d{{4}} \d\d:\d\d:\d\d\.\d{{3}}) {_LEVEL} (?P<body>.*)",
        (DAY_FIRST,),
        (
            Example(
                b"27-Nov-2026 10:00:00.123 INFO [main] org.apache.catalina.startup Started",
                Level.INFO,
                _TEN + 0.123,
            ),
            Example(
                b"27-Nov-2026 10:00:00.123 SEVERE [main] org.apache.catalina.core Failed",
                Level.ERROR,
                _TEN + 0.123,
            ),
        ),
    ),
    Format(
        "java.util.logging",
        "java.util.logging, two lines a record",
        r"^(?:(?P<time>[A-Z][a-z]{2} \d\d?, \d{4} \d\d?:\d\d:\d\d [AP]M) |"
        r"(?P<level>SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): )(?P<body>.*)",
        (AMERICAN,),
        (
            Example(b"Nov 27, 2026 10:00:00 AM org.example.Shop open", None, _TEN),
            Example(b"SEVERE: cannot open", Level.ERROR),
            Example(b"INFO: opened", Level.INFO),
        ),
    ),
    Format(
        "gc",
        "the garbage collector of Java 9 and later",
        r"^\[(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4})\](?:\[[^\]]*\])*"
        r"\[(?P<level>trace|debug|info|warning|error) *\]\[(?P<body>.*)",
        (ISO,),
        (
            Example(
                b"[2026-11-27T10:00:00.123+0000][0.005s][info][gc] Using G1",
                Level.INFO,
                _TEN + 0.123,
            ),
        ),
    ),
)
