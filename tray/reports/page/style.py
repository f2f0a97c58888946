"""How the page looks: by day, at night, on a telephone and on paper. No script, nothing loaded."""

from __future__ import annotations

import base64
import hashlib

SHEET = """
:root {
  color-scheme: light dark;
  --paper: #fcfbf9; --card: #ffffff; --sunk: #f3f1ec; --line: #dcd8d0; --ink: #1d1c1a; --soft: #5d5953;
  --link: #0b57a4; --accent: #5d5953; --held: #2b5f8f; --left: #c9d8e6; --warn: #8c4a00;
  --deadlock: #b3261e; --blocked: #8c4a00; --busy: #7a3e9d; --outside: #0b57a4; --waiting: #5d5953; --idle: #1a6b4a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151618; --card: #1d1f22; --sunk: #24262a; --line: #3a3d42; --ink: #e9e7e3; --soft: #aca8a1;
    --link: #8ab8ea; --accent: #aca8a1; --held: #79abd9; --left: #34475a; --warn: #f0b36a;
    --deadlock: #ff9288; --blocked: #f0b36a; --busy: #d3a6ef; --outside: #8ab8ea; --waiting: #aca8a1; --idle: #7fcfa8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.5rem; }
h1, h2, h3, p, dl, dd, ol, ul, figure, pre, table { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h1 { font-size: clamp(1.6rem, 1.1rem + 2vw, 2.35rem); line-height: 1.2; font-weight: 650; letter-spacing: -.015em;
  text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 650; letter-spacing: -.005em; }
h3 { font-size: .95rem; font-weight: 650; }
code, pre, .function { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "Segoe UI Mono", Consolas,
  "DejaVu Sans Mono", monospace; }
code, pre { font-size: .875em; }
h1, h2, h3, p, li, dd, td, summary, bdi, code { overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
.word { display: inline-block; max-width: 100%; }
a { color: var(--link); text-underline-offset: .2em; text-decoration-thickness: .06em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 3px; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }

header { padding: 3.5rem 0 0; }
.app { color: var(--soft); margin-bottom: .75rem; }
.app b { color: var(--ink); font-weight: 600; }
.deadlock { --accent: var(--deadlock); } .blocked, .stopped { --accent: var(--blocked); }
.busy { --accent: var(--busy); }
.outside { --accent: var(--outside); } .waiting { --accent: var(--waiting); } .idle { --accent: var(--idle); }
.verdict { border-left: 4px solid var(--accent); padding: .15rem 0 .15rem 1.4rem; }
.certainty { margin-top: .8rem; color: var(--accent); font-weight: 600; font-size: .95rem; }
.certainty + .where { margin-top: .5rem; }
.where li { padding: .1rem 0; }
.alarm { margin-top: 1.25rem; padding: .75rem 1rem; border: 1px solid var(--warn); border-radius: 8px;
  color: var(--warn); }
.facts { display: flex; flex-wrap: wrap; gap: 1.1rem 2rem;
  margin-top: 2.25rem; padding: 1.25rem 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { font-size: .95rem; }
.facts div { max-width: 26rem; }
.facts .line { flex: 1 1 24rem; max-width: 100%; }
nav { margin-top: 1.1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; font-size: .9rem; }
section { margin-top: 3.75rem; scroll-margin-top: 1.5rem; }
section > h2 + * { margin-top: 1.1rem; }
section > .lead { max-width: 44rem; color: var(--soft); margin-top: .35rem; }
section > .lead + * { margin-top: 1.25rem; }

.pictures { display: flex; flex-wrap: wrap; gap: 1.25rem; }
.pictures figure { flex: 0 1 auto; max-width: 100%; overflow-x: auto; padding: 1.4rem 1.5rem; background: var(--sunk);
  border-radius: 12px; }
.graph { display: block; max-width: 100%; height: auto; }
.graph.wide { min-width: 30rem; }
.graph text { font-family: inherit; text-anchor: middle; fill: var(--ink); unicode-bidi: isolate; }
.graph rect { fill: var(--card); stroke: var(--line); stroke-width: 1.25; }
.graph .thing rect { stroke-dasharray: 5 4; stroke: var(--soft); }
.graph .in-ring rect { stroke: var(--accent); stroke-width: 2; }
.graph .name { font-size: 14.5px; font-weight: 600; }
.graph .does { font-size: 12px; fill: var(--soft); }
.graph .label { font-size: 12px; fill: var(--soft); paint-order: stroke; stroke: var(--sunk); stroke-width: 7px;
  stroke-linejoin: round; }
.arrow { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.arrow.ring { stroke: var(--accent); stroke-width: 2.25; }
.head-head { fill: var(--soft); } .ring-head { fill: var(--accent); }
.words { margin-top: 1.25rem; }
.words li { padding: .3rem 0; max-width: 46rem; }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: center; }
.beside .pictures { flex: 0 1 auto; min-width: 0; max-width: 100%; }
.beside .words { flex: 1 1 18rem; margin-top: 0; }
.beside .words li { padding: .55rem 0; }
.beside .words li + li { border-top: 1px solid var(--line); }

details { border-top: 1px solid var(--line); }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .8rem 0; display: grid; grid-template-columns: 1rem minmax(0, 1fr) auto;
  gap: 0 .6rem; align-items: baseline; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: ""; width: .42rem; height: .42rem; margin-left: .1rem; border: solid var(--soft);
  border-width: 0 1.5px 1.5px 0; transform: translateY(-.12rem) rotate(-45deg); }
details[open] > summary::before { transform: translateY(-.16rem) rotate(45deg); }
summary:hover { color: var(--link); }
summary .who { font-weight: 600; }
summary .count { display: inline-block; margin-left: .6rem; padding: 0 .55rem; border-radius: 999px;
  background: var(--sunk); color: var(--soft); font-size: .8125rem; font-weight: 500; white-space: nowrap; }
summary .doing { color: var(--soft); font-size: .875rem; text-align: right; }
summary .at { grid-column: 2 / -1; color: var(--soft); font-size: .875rem; font-weight: 400; }
details[open] > summary .at { display: none; }
.matters > summary .who { color: var(--accent); }
.inside { padding: 0 0 1.4rem 1.6rem; }
.names { color: var(--soft); font-size: .875rem; margin-bottom: .8rem; }
.calls { font-size: .9rem; }
.calls li { display: grid; grid-template-columns: 2.1rem minmax(0, 1fr); gap: 0 .4rem; padding: .22rem 0; }
.calls .number { color: var(--soft); font-variant-numeric: tabular-nums; text-align: right; padding-right: .5rem;
  font-size: .8125rem; line-height: 1.75; }
.calls .call { display: flex; flex-wrap: wrap; gap: 0 .9rem; align-items: baseline; }
.calls .call > * { min-width: 0; overflow-wrap: anywhere; }
.calls .function { font-size: .875rem; }
.calls .own .function { font-weight: 600; }
.calls .place { color: var(--soft); font-size: .8125rem; }
.calls .note { color: var(--soft); font-size: .75rem; border: 1px solid var(--line); border-radius: 4px;
  padding: 0 .3rem; margin-left: -.35rem; white-space: nowrap; }
.calls .guess .function { font-style: italic; }
.calls .guess .note { color: var(--warn); border-color: currentColor; }
.cut { color: var(--soft); font-size: .875rem; padding: .4rem 0 0 2.5rem; }
.lacks { max-width: 52rem; font-size: .9rem; overflow-wrap: anywhere; }
.lacks li { padding: .2rem 0 .2rem 1rem; border-left: 2px solid var(--line); margin-bottom: .6rem; }
.rest { padding: .9rem 0 0; color: var(--soft); }

.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .5rem 1.25rem .5rem 0; vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
thead th, thead td { border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; font-size: .8125rem; }
tbody th { font-weight: 500; }
tbody tr + tr > * { border-top: 1px solid var(--sunk); }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.memory .picture { width: 46%; vertical-align: middle; }
.bar { display: block; width: 100%; height: .95rem; }
.bar .left { fill: var(--left); } .bar .held { fill: var(--held); }
.bar .open { fill: none; stroke: var(--left); stroke-width: 2; stroke-dasharray: 3 3;
  vector-effect: non-scaling-stroke; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; color: var(--soft); font-size: .875rem;
  margin-bottom: .8rem; }
.legend span::before { content: ""; display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin-right: .5rem; vertical-align: -.08rem; background: var(--held); }
.legend .l-left::before { background: var(--left); }
.legend .l-open::before { background: none; border: 1.5px dashed var(--soft); }

.holds { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.75rem 3rem; }
.holds li { padding: .35rem 0; }
.holds h3, .debugger h3 { margin-bottom: .3rem; }
.debugger + .debugger { margin-top: 1.5rem; }
.debugger p { margin: .3rem 0; }
pre { background: var(--sunk); border-radius: 8px; padding: .7rem 1rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
pre code { font-size: .85rem; user-select: all; -webkit-user-select: all; }
pre + pre { margin-top: .4rem; }
footer { margin-top: 4.5rem; padding-bottom: 3rem; color: var(--soft); font-size: .8125rem; }
footer p { border-top: 1px solid var(--line); padding-top: 1.25rem; }

@media (max-width: 40rem) {
  main, footer { padding: 0 1rem; }
  header { padding-top: 1.75rem; }
  .verdict { padding-left: 1rem; }
  section { margin-top: 2.75rem; }
  summary { grid-template-columns: 1rem minmax(0, 1fr); }
  summary .doing { grid-column: 2; text-align: left; }
  .inside { padding-left: 0; }
  .pictures figure { width: 100%; padding: 1rem .75rem; }
  .pictures .graph { margin: 0 auto; }
  .beside .pictures { width: 100%; }
  .memory thead { display: none; }
  .memory tr { display: grid; grid-template-columns: 1fr auto; padding: .55rem 0; }
  .memory td, .memory th { border: 0 !important; padding: 0; }
  .memory .picture { grid-column: 1 / -1; grid-row: 2; width: 100%; padding: .25rem 0; }
  .memory .stretches { display: none; }
  .memory .in-dump { grid-column: 1 / -1; text-align: left; color: var(--soft); font-size: .8125rem; }
  .memory .in-dump::after { content: " in the dump"; }
}
@media print {
  :root {
    --paper: #fff; --card: #fff; --sunk: #fff; --line: #bbb; --ink: #000; --soft: #444; --link: #000; --held: #444;
    --left: #ccc; --warn: #000; --deadlock: #000; --blocked: #000; --busy: #000; --outside: #000; --waiting: #000;
    --idle: #000;
  }
  @page { margin: 16mm 14mm; }
  :root { font-size: 12px; }
  body { font-size: 12px; line-height: 1.4; }
  main, footer { max-width: none; padding: 0; }
  header { padding-top: 0; }
  nav { display: none; }
  section { margin-top: 2rem; }
  footer { margin-top: 2rem; padding-bottom: 0; }
  summary { padding: .5rem 0; }
  .inside { padding-bottom: .8rem; }
  .calls li { padding: .08rem 0; }
  th, td { padding-top: .3rem; padding-bottom: .3rem; }
  h2, h3, summary { break-after: avoid; }
  figure, tr, .memory table, .calls li, .debugger, .facts { break-inside: avoid; }
  .pictures figure { border: 1px solid var(--line); }
  details::details-content { content-visibility: visible; block-size: auto; opacity: 1; }
  details.folded-on-paper::details-content { content-visibility: hidden; block-size: 0; }
  summary::before { visibility: hidden; }
  details[open] > summary .at, details:not(.folded-on-paper) > summary .at { display: none; }
  pre { border: 1px solid var(--line); }
  .bar, .legend span::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""

HASH = "sha256-" + base64.b64encode(hashlib.sha256(SHEET.encode()).digest()).decode()
"""What lets this sheet through, and no other."""

POLICY = f"default-src 'none'; style-src '{HASH}'; base-uri 'none'; form-action 'none'"
"""The page may load nothing and run nothing, whatever is written into it."""
