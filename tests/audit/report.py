"""What an audit has found, in words."""

from collections import Counter

from tests.audit.verdict import FAILURES, Verdict


def report(verdict: Verdict) -> None:
    """Print what was done and what came of it."""
    record, counts = verdict.record, verdict.counts
    kinds = Counter(action.name for action in record.actions)
    print("actions:", len(record.actions))
    for name, count in sorted(kinds.items()):
        print(f"  {name}: {count}")
    print("lines:", record.last)
    print("destroyed:", sum(destroyed.span.length for destroyed in record.destroyed))
    print("deliveries:", sum(client.delivered for client in verdict.everyone))
    undetectable = [kind for kind in counts if kind.startswith("undetectable")]
    told = ("gaps", "unprovable gaps", "excused", *undetectable, "repeated after a gap")
    for kind in (*told, *FAILURES):
        print(f"{kind}: {counts[kind]}")
    alike = Counter((problem.kind, problem.span) for problem in verdict.problems)
    first = {(problem.kind, problem.span): problem for problem in reversed(verdict.problems)}
    for (kind, span), count in sorted(alike.items(), key=lambda item: item[0][1]):
        print(f"{kind}: {span} of {count} clients")
    for key in list(alike)[:12]:
        print("\n" + verdict.explain(first[key]))
