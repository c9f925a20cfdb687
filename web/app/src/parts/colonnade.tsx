/** The porch: three arches onto the sea. Light by day, dark after dusk; drawn, not loaded. */

const ARCHES = [70, 310, 550];

export function Colonnade() {
  return (
    <svg className="app-porch" viewBox="0 0 780 900" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
      <defs>
        <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" style={{ stopColor: "var(--sky-high)" }} />
          <stop offset="1" style={{ stopColor: "var(--sky-low)" }} />
        </linearGradient>
        <linearGradient id="sea" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" style={{ stopColor: "var(--sea-far)" }} />
          <stop offset="1" style={{ stopColor: "var(--sea-near)" }} />
        </linearGradient>
        <clipPath id="arches">
          {ARCHES.map((x) => <path key={x} d={arch(x, 160, 330, 470)} />)}
        </clipPath>
      </defs>
      <rect className="porch-wall" width="780" height="900" />
      <g clipPath="url(#arches)">
        <rect width="780" height="620" fill="url(#sky)" />
        <circle className="porch-sun" cx="392" cy="478" r="54" />
        <path className="porch-hill" d="M0 560c90-60 150-64 230-22 60 30 120 12 190-4 90-20 190-50 360 20v70H0Z" />
        <rect y="560" width="780" height="280" fill="url(#sea)" />
        <g className="porch-glints">
          <path d="M352 592h82M366 622h54M344 656h104M372 694h46M356 738h84M380 774h40" />
        </g>
      </g>
      {ARCHES.map((x) => <path key={x} className="porch-rim" d={arch(x, 160, 330, 470)} />)}
      {ARCHES.map((x) => <path key={x} className="porch-light" d={`M${x} 800h160l-70 100h-190Z`} />)}
      <rect className="porch-step" y="796" width="780" height="10" />
      <rect className="porch-frieze" y="118" width="780" height="6" />
      <rect className="porch-frieze" y="138" width="780" height="2" />
    </svg>
  );
}

/** An opening of the given width whose round begins at `spring` and whose sill lies `tall` below it. */
function arch(x: number, width: number, spring: number, tall: number): string {
  const r = width / 2;
  return `M${x} ${spring + tall}V${spring}a${r} ${r} 0 0 1 ${width} 0v${tall}Z`;
}
