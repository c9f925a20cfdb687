/** The logo: two arches and a lamp. */

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg className="app-mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path className="mark-arches" d="M6.500 25.500V15a4.750 4.750 0 0 1 9.500 0v10.500M16 25.500V15a4.750 4.750 0 0 1 9.500 0v10.500" />
      <circle className="mark-lamp" cx="16" cy="6.600" r="1.700" />
    </svg>
  );
}
