// How the pages look.
#pragma once

#include <string_view>

namespace adaround {

// Text and marks differ from their ground by 4.5 to 1 and more, light and dark. Blue is what was
// found, orange what it is held against; shapes say the same.
inline constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--ground:#f3f5f8;--card:#ffffff;--text:#1b222c;--muted:#525c6a;
--line:#d5dbe3;--found:#0b5cb8;--other:#9a4a00;--warn:#fff4d6;--warn-line:#b07a00}
@media(prefers-color-scheme:dark){:root{--ground:#0e1319;--card:#171e27;--text:#e8edf3;
--muted:#a8b3c1;--line:#323d4a;--found:#6db3ff;--other:#f2a65e;--warn:#33290f;--warn-line:#d9a93a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1280px;padding:16px clamp(12px,3vw,32px) 48px;background:var(--ground);
color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.55rem;line-height:1.25;margin:8px 0 4px;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 8px}
h3{font-size:1rem;margin:20px 0 4px}
p{margin:6px 0;max-width:75ch;overflow-wrap:anywhere}
header p,.detail,figcaption,.note{color:var(--muted)}
nav{margin:10px 0 0}
nav a{display:inline-block;margin:0 14px 6px 0}
a{color:var(--found)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--found);
outline-offset:2px}
section,.tiles>div,.warnings{background:var(--card);border:1px solid var(--line);border-radius:10px}
section{padding:16px clamp(12px,2vw,22px);margin:16px 0 0}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0 0}
.tiles>div{flex:1 1 150px;padding:10px 14px}
.tiles dt{color:var(--muted);font-size:.85rem}
.tiles dd{margin:0;font-size:1.35rem;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
.tiles .detail{font-size:.85rem;font-weight:400}
.warnings{background:var(--warn);border-color:var(--warn-line);padding:10px 16px;margin:16px 0 0}
.warnings h2{font-size:1rem;margin:0}
.warnings ul{margin:4px 0 0;padding-left:20px;overflow-wrap:anywhere}
.pair{display:grid;gap:0 32px;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr))}
figure{margin:12px 0 0;min-width:0;break-inside:avoid}
figcaption{font-size:.92rem}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:.85rem;margin:4px 0}
.legend span{display:inline-flex;align-items:center;gap:5px}
svg{display:block;overflow:visible}
.key{width:16px;height:16px;flex:none}
.tick{font-size:11px;fill:var(--muted);font-variant-numeric:tabular-nums}
.plot .tick{paint-order:stroke;stroke:var(--card);stroke-width:3px}
.grid{stroke:var(--line);fill:none;vector-effect:non-scaling-stroke}
.ring{fill:var(--card);stroke:var(--other);stroke-width:2}
.disc{fill:var(--other)}
.outline{fill:none;stroke:var(--other);stroke-width:1.5}
.between{stroke:var(--muted);stroke-width:1.5}
.full{fill:var(--found)}
.dot{transform:translateX(-4px)}
.dots,.curve{fill:none;vector-effect:non-scaling-stroke;stroke-linecap:round;stroke-linejoin:round}
.dots{stroke-width:5px}
.first{stroke:var(--other);stroke-opacity:.75}
.second{stroke:var(--found);stroke-linecap:square;stroke-width:4px;stroke-opacity:.75}
.curve{stroke:var(--muted);stroke-width:1;stroke-opacity:.45}
.strong{stroke:var(--found);stroke-width:3;stroke-opacity:1}
.rows{list-style:none;margin:4px 0 0;padding:0;font-size:.85rem}
.rows li{display:grid;grid-template-columns:minmax(0,17em) minmax(0,1fr) 16.5em;
gap:0 12px;align-items:center}
.pair .rows li{grid-template-columns:minmax(0,12em) minmax(0,1fr) 10.5em}
.rows .axis .track{grid-column:2;height:16px}
.name{direction:rtl;text-align:left;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.value{text-align:right;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;
font-variant-numeric:tabular-nums}
.track{width:100%;height:20px}
.plot{width:100%;height:230px;margin:6px 0 0}
.places{width:100%;height:74px}
.ends{display:flex;justify-content:space-between;font-size:.8rem;color:var(--muted);margin:0;
max-width:none}
.charts{display:grid;gap:8px 28px;
grid-template-columns:repeat(auto-fit,minmax(min(330px,100%),1fr))}
.charts figure{max-width:640px}
.histograms{display:grid;gap:12px;margin:10px 0;
grid-template-columns:repeat(auto-fill,minmax(132px,1fr))}
.histogram{margin:0}
.histogram svg{width:100%;height:84px;border-bottom:1px solid var(--muted);overflow:hidden}
.histogram figcaption{font-size:.8rem;line-height:1.35;margin-top:3px}
.scroll{overflow-x:auto;margin:8px 0 0;background:
linear-gradient(to right,var(--card) 30%,transparent) left/40px 100% local,
linear-gradient(to left,var(--card) 30%,transparent) right/40px 100% local,
linear-gradient(to right,var(--line),transparent) left/12px 100% scroll,
linear-gradient(to left,var(--line),transparent) right/12px 100% scroll;
background-repeat:no-repeat}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-weight:600}
th:first-child{text-align:left}
tbody th{font-weight:500;white-space:normal;overflow-wrap:anywhere;min-width:14em;max-width:26em}
.words td{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:14em}
.words thead th{text-align:left}
details{border-top:1px solid var(--line);padding:6px 0}
summary{cursor:pointer;overflow-wrap:anywhere}
@media(min-width:900px){.tiles>div{flex-basis:22%}}
@media(max-width:720px){
tbody th{min-width:9em}
.rows li,.pair .rows li{grid-template-columns:minmax(0,1fr) auto;gap:0 10px;padding:3px 0 1px}
.rows .track{grid-column:1/-1;grid-row:2}
.rows .axis .track{grid-column:1/-1}
}
@media print{
body{max-width:none;background:none;padding:0}
section,.tiles>div{border-color:#999}
svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.scroll{overflow:visible}
nav{display:none}
}
)css";

}  // namespace adaround
