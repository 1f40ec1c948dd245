#include "admin/page.hpp"

namespace knul::admin {

const std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Krepis KNUL</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--back:#fff;--mark:#0a6ebd;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;--card:#161b22;--back:#0d1117;--mark:#58a6ff;--bad:#ff7b72}}
*{box-sizing:border-box}body{margin:0;padding:16px;font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back)}
header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;margin-bottom:12px}h1{font-size:18px;margin:0}
h2{font-size:15px;margin:20px 0 8px}.soft{color:var(--soft)}.bad{color:var(--bad);font-weight:600}
.grid{display:grid;gap:10px;grid-template-columns:repeat(auto-fill,minmax(220px,1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px}
.card b{font-size:20px;display:block;font-variant-numeric:tabular-nums}svg{width:100%;height:52px;display:block}
polyline{fill:none;stroke:var(--mark);stroke-width:1.5;vector-effect:non-scaling-stroke}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:5px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child,td.text,th.text{text-align:left}th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid var(--mark)}
tr:last-child td{border-bottom:0}.bar{margin:8px 0;display:flex;gap:8px;align-items:center;flex-wrap:wrap}
.bar button,.bar input{font:inherit;padding:4px 10px;border:1px solid var(--line);border-radius:6px;background:var(--card);color:inherit}
</style></head><body>
<header><h1>Krepis KNUL</h1><span id="state" class="soft">connecting</span><span id="version" class="soft"></span></header>
<main><section class="grid" id="charts" aria-label="Charts of the last two minutes"></section>
<h2>Refused, dropped and failed since the start</h2><div class="wide"><table id="drops"></table></div>
<h2>Connections <span id="count" class="soft"></span></h2>
<div class="bar"><input id="peer" placeholder="address begins with" aria-label="Address begins with" size="18">
<button id="first">First page</button><button id="more" hidden>Next page</button></div>
<div class="wide"><table id="rows"></table></div></main>
<script>
"use strict";
const $=(id)=>document.getElementById(id);
const units=["","k","M","G","T"];
const short=(v)=>{let i=0;while(Math.abs(v)>=1000&&i<4){v/=1000;i++}return(v>=100||Number.isInteger(v)?Math.round(v):v.toPrecision(2))+units[i]};
const time=(ms)=>ms<1000?`${Math.round(ms)} ms`:ms<6e4?`${(ms/1e3).toFixed(1)} s`:ms<36e5?`${Math.floor(ms/6e4)} min`:`${(ms/36e5).toFixed(1)} h`;
const rate=(key)=>(now,old,seconds)=>(now[key]-old[key])/seconds;
const charts=[
 ["Connections","",(now)=>now.connections_active],
 ["Handshakes per second","",rate("handshakes_completed")],
 ["Requests per second","",rate("total_requests")],
 ["Request latency p99, all time","ms",(now)=>now.request_latency_p99_ms],
 ["Received","bit/s",(now,old,s)=>8*rate("total_bytes_in")(now,old,s)],
 ["Sent","bit/s",(now,old,s)=>8*rate("total_bytes_out")(now,old,s)],
 ["Packets lost per second","",rate("packets_lost")],
 ["Errors per second","",rate("error_count")]].map(([name,unit,read])=>{
  const card=document.createElement("div");card.className="card";
  const label=document.createElement("span");label.className="soft";label.textContent=name;
  const value=document.createElement("b");value.textContent="–";
  const svg=document.createElementNS("http://www.w3.org/2000/svg","svg");svg.setAttribute("viewBox","0 0 119 40");svg.setAttribute("preserveAspectRatio","none");svg.setAttribute("role","img");svg.setAttribute("aria-label",name);
  const line=document.createElementNS("http://www.w3.org/2000/svg","polyline");svg.append(line);card.append(label,value,svg);$("charts").append(card);
  return{unit,read,value,line,points:[]}});
let old=null,oldAt=0;
function draw(chart,v){chart.points.push(v);if(chart.points.length>120)chart.points.shift();
 const most=Math.max(...chart.points,1e-9),from=120-chart.points.length;
 chart.line.setAttribute("points",chart.points.map((p,i)=>`${from+i},${(38-36*p/most).toFixed(1)}`).join(" "));
 chart.value.textContent=`${short(v)} ${chart.unit}`}
const dropKey=/_(dropped|refused|failed|suppressed|evicted|limited|violations|errors|truncated)(_|$)|^errors$|_closed_(no_progress|evicted|local_transport_error)$/;
function table(node,head,rows){node.replaceChildren();const tr=node.insertRow();for(const h of head){const th=document.createElement("th");h instanceof Node?th.append(h):(th.textContent=h);tr.append(th)}
 for(const row of rows){const tr=node.insertRow();row.forEach((v,i)=>{const td=tr.insertCell();td.textContent=v;if(head.text?.includes(i))td.className="text"})}}
async function tick(){try{
 const reply=await fetch("/stats");const now=await reply.json(),at=performance.now();
 $("state").textContent=now.draining?"draining":`up ${time(now.uptime_ms)}`;$("state").className=now.draining?"bad":"soft";
 $("version").textContent=`${now.version} · ${now.workers} worker${now.workers===1?"":"s"} · ${now.packet_protection} · ${now.steering}`;
 if(old)for(const chart of charts)draw(chart,Math.max(0,chart.read(now,old,(at-oldAt)/1e3)||0));
 const found=Object.entries(now).filter(([k,v])=>v>0&&dropKey.test(k)).sort((a,b)=>b[1]-a[1]);
 table($("drops"),["statistic","count"],found.length?found.map(([k,v])=>[k,v.toLocaleString("en")]):[["none",""]]);
 old=now;oldAt=at}catch{$("state").textContent="no answer";$("state").className="bad"}}
const columns=[["id","id"],["peer","peer"],["state","state"],["age","age_ms",(r)=>time(r.age_ms)],["idle","idle_ms",(r)=>time(r.idle_ms)],["rtt ms","smoothed_rtt_us",(r)=>(r.smoothed_rtt_us/1e3).toFixed(1)],
 ["requests","requests"],["p99 ms","request_p99_ms"],["received","bytes_received",(r)=>short(r.bytes_received)],["sent","bytes_sent",(r)=>short(r.bytes_sent)],["lost","packets_lost"],
 ["streams","streams_active"],["memory","memory_bytes",(r)=>short(r.memory_bytes)],["why slow","verdict"]];
const unsortable=new Set(["peer","state","verdict"]);
let sort="bytes_sent",descending=true,after=null,next=null;
async function list(){const query=new URLSearchParams({sort,descending,limit:50});if(after)query.set("after",after);if($("peer").value)query.set("peer",$("peer").value);
 try{const reply=await fetch("/connections?"+query);if(!reply.ok)throw new Error(await reply.text());const page=await reply.json();next=page.next;$("more").hidden=!next;
 $("count").textContent=`${page.matches.toLocaleString("en")}, sorted by ${sort}`;
 const head=columns.map(([name,key])=>{if(unsortable.has(key))return name;const b=document.createElement("button");b.textContent=name+(sort===key?(descending?" ▾":" ▴"):"");
  b.onclick=()=>{descending=sort===key?!descending:true;sort=key;after=null;list()};return b});head.text=[1,2,13];
 table($("rows"),head,page.connections.map((r)=>columns.map(([,key,show])=>show?show(r):r[key])))}catch(error){$("count").textContent=String(error.message)}}
$("first").onclick=()=>{after=null;list()};$("more").onclick=()=>{after=next;list()};$("peer").onchange=()=>{after=null;list()};
tick();list();setInterval(tick,1000);setInterval(()=>{if(!after)list()},2000);
</script></body></html>
)html";

}  // namespace knul::admin
