#include "admin/page_style.hpp"

namespace knul::admin {

const std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --soft: #545d68; --line: #d4dae1; --card: #fff; --back: #f3f5f8; --head: #f8f9fb;
  --one: #0969c3; --two: #c2570c; --three: #7a3fb8; --good: #1a7f37; --warn: #8a5a00; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --soft: #a3adb8; --line: #30363d; --card: #151b23; --back: #0d1117; --head: #1b222c;
    --one: #58a6ff; --two: #f0883e; --three: #bc8cff; --good: #56d364; --warn: #e3b341; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1680px; padding: 16px; color: var(--ink); background: var(--back);
  font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
header { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin-bottom: 12px; }
h1 { font-size: 18px; margin: 0; }
h2 { font-size: 14px; margin: 0; }
.soft { color: var(--soft); font-weight: 400; }
.state { display: inline-flex; gap: 7px; align-items: center; padding: 2px 10px; border-radius: 99px;
  border: 1px solid currentColor; font-weight: 600; }
.state::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.notice { margin: 0 0 10px; padding: 8px 12px; border: 1px solid currentColor; border-radius: 8px;
  background: var(--card); font-weight: 600; }
.grid { display: grid; gap: 12px; margin-bottom: 12px; }
#charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); }
#panels { grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
#charts .card { display: flex; flex-direction: column; }
.card { min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; }
.top { display: flex; justify-content: space-between; gap: 8px; align-items: baseline; }
.legend { display: flex; flex-wrap: wrap; gap: 0 14px; margin: 6px 0 auto; padding-bottom: 8px;
  font-size: 12px; }
.legend div { white-space: nowrap; }
.legend b { display: block; font-size: 18px; line-height: 1.25; }
.legend small { font-size: 12px; font-weight: 400; }
.legend span::before { content: ""; display: inline-block; width: 10px; height: 3px; border-radius: 2px;
  margin: 0 5px 3px 0; background: var(--colour); }
.plot { position: relative; height: 96px; touch-action: pan-y;
  border-bottom: 1px solid var(--soft); background-image:
  linear-gradient(var(--line) 1px, transparent 1px), linear-gradient(var(--line) 1px, transparent 1px);
  background-size: 100% 1px, 100% 1px; background-position: 0 0, 0 50%; background-repeat: no-repeat; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: hidden; }
.plot path { fill: none; stroke-width: 1.75; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot line { stroke: var(--soft); vector-effect: non-scaling-stroke; }
.plot span { position: absolute; left: 0; padding-right: 4px; font-size: 11px; line-height: 14px;
  color: var(--soft); background: var(--card); }
.plot .none { inset: auto 0 50%; transform: translateY(50%); margin: auto; width: max-content; padding: 0 6px;
  font-size: 12px; }
.times { display: flex; justify-content: space-between; margin-top: 3px; font-size: 11px;
  color: var(--soft); }
.wide { overflow: auto; max-height: 262px; margin-top: 8px; }
.rows { font-size: 13px; max-height: none; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 5px 7px; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { position: sticky; top: 0; border-top: 0; background: var(--card); font-size: 12px;
  color: var(--soft); font-weight: 600; }
.rows thead th { background: var(--head); }
.rows tbody tr { cursor: pointer; }
.rows tbody tr:hover, .rows tr.chosen { background: var(--head); }
.rows tr.chosen td:first-child { box-shadow: inset 3px 0 var(--one); }
.rows tbody tr:focus-visible { outline: 2px solid var(--one); outline-offset: -2px; }
#details { margin-top: 14px; }
#details dl { grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 4px 28px;
  font-size: 13px; }
#details dl div { display: flex; justify-content: space-between; gap: 12px; }
.text { text-align: left; }
.name { white-space: normal; overflow-wrap: anywhere; }
.empty { position: sticky; left: 0; margin: 0; padding: 18px; text-align: center; text-wrap: balance;
  color: var(--soft); }
th button { all: unset; cursor: pointer; }
th button:hover, th[aria-sort] button { color: var(--ink); }
th button:focus-visible { outline: 2px solid var(--one); outline-offset: 2px; border-radius: 2px; }
th[aria-sort=descending] button::before { content: "\25be\2009"; content: "\25be\2009" / ""; }
th[aria-sort=ascending] button::before { content: "\25b4\2009"; content: "\25b4\2009" / ""; }
.limit { display: grid; grid-template-columns: 1fr auto; gap: 1px 8px; margin-top: 9px; }
.limit b { text-align: right; white-space: nowrap; }
.limit i { grid-column: 1 / -1; height: 6px; border-radius: 3px; background: linear-gradient(90deg,
  var(--one) var(--share), var(--line) var(--share)); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 5px 14px; margin: 10px 0 0; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; margin-bottom: 10px; }
.bar h2 { margin-right: auto; }
.bar button, .bar input { font: inherit; color: inherit; padding: 5px 11px; border: 1px solid var(--line);
  border-radius: 7px; background: var(--head); }
.bar input { width: 190px; } .bar button { cursor: pointer; } .bar :disabled { cursor: auto; opacity: .45; }
.stale #charts, .stale #panels { opacity: .45; }
@media (max-width: 600px) {
  body { padding: 10px; }
  .bar h2, .bar input { width: 100%; }
  .bar button { flex: 1; }
}
)css";

}  // namespace knul::admin
