/** Style of the page: light and dark, wide and narrow. Colours k1 to k6 are one hue from faint to strong. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --back: #f6f6f4; --card: #fff; --line: #dcdad5; --ink: #1d1d1b; --soft: #63625d; --badge: #efeeea;
  --k1: #fff4e2; --k2: #ffe3b8; --k3: #ffcb87; --k4: #ffa95a; --k5: #f2763a; --k6: #b3261e; --on-k6: #fff;
  --shadow: 0 1px 2px #0001;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #161615; --card: #1f1f1d; --line: #383733; --ink: #ecebe6; --soft: #a3a19a; --badge: #2c2b28;
    --k1: #30271c; --k2: #4a351e; --k3: #6d481f; --k4: #9a5f24; --k5: #e07c2f; --k6: #ffb27d; --on-k6: #1d1208;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 5rem; max-width: 76rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 0; font-size: 1rem; }
.id { margin: .15rem 0 .75rem; color: var(--soft); overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .35rem 1.5rem; margin: 0 0 1rem; font-size: .85rem; }
dl div { display: flex; gap: .4rem; min-width: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; box-shadow: var(--shadow); }
.question { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; padding: 1rem; }
.question .pictures { display: flex; flex-wrap: wrap; gap: 1rem; flex: 3 1 26rem; }
.question figure { flex: 1 1 12rem; }
.words { flex: 2 1 18rem; min-width: 0; }
.text { margin: .25rem 0 1rem; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 16rem; overflow-y: auto; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 20rem; overflow-y: auto; font-size: .8rem; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
figure { margin: 0; max-width: min(100%, calc(26rem * var(--ratio))); }
figcaption { margin-top: .3rem; color: var(--soft); font-size: .8rem; }
.picture {
  position: relative; width: 100%; aspect-ratio: var(--ratio); overflow: hidden; border-radius: .3rem;
  background: 0 0 / 100% 100% no-repeat; outline: 1px solid var(--line);
}
.small { image-rendering: pixelated; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; shape-rendering: crispEdges; }
.legend {
  display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.25rem;
  margin: 1rem 0; padding: .6rem 0; background: var(--back); font-size: .85rem; border-bottom: 1px solid var(--line);
}
.scale { display: inline-flex; flex-wrap: wrap; }
.heat { display: inline-block; width: 5rem; height: .8rem; margin: 0 .4rem; vertical-align: -.1rem; background: linear-gradient(to right, hsl(52 100% 50% / 0), hsl(26 100% 50% / .35), hsl(0 100% 50% / .7)); outline: 1px solid var(--line); }
.scale .t { padding: .1rem .5rem; border-radius: 0; }
.scale .t.k0 { outline: 1px solid var(--line); outline-offset: -1px; }
.response { margin: 0 0 1rem; padding: 1rem; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem .6rem; margin-bottom: .75rem; }
.badge { padding: .05rem .55rem; border-radius: 1rem; background: var(--badge); font-size: .82rem; }
.note { color: var(--soft); font-size: .82rem; }
.body { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
.body .words { flex: 3 1 22rem; }
.body .pictures { flex: 0 1 15rem; min-width: min(100%, 12rem); }
.body .pictures p { margin: .4rem 0 0; }
.tokens {
  font: 15px/1.75 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 40rem; overflow-y: auto;
}
.t { padding: .12em 0; border-radius: .2em; -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.k1 { background: var(--k1); } .k2 { background: var(--k2); } .k3 { background: var(--k3); }
.k4 { background: var(--k4); } .k5 { background: var(--k5); color: #1d1208; } .k6 { background: var(--k6); color: var(--on-k6); }
.less { text-decoration: underline dotted 2px; text-underline-offset: .25em; }
.tokens .t:hover { outline: 2px solid var(--ink); }
.tokens .t:hover::after {
  content: attr(title); position: fixed; right: 1rem; bottom: 1rem; z-index: 2; padding: .6rem .8rem; white-space: pre;
  background: var(--ink); color: var(--back); border-radius: .4rem; font-size: 13px; line-height: 1.5;
  text-decoration: none; pointer-events: none;
}
@media (min-width: 50rem) { .legend { position: sticky; top: 0; z-index: 1; } }
@media print { body { max-width: none; } .legend { position: static; } .tokens { max-height: none; } }
`;
