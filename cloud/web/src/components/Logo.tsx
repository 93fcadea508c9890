// The mark: a ring, and the one who sits beside it.

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path
        d="M17.7 16.6A8.5 8.5 0 1 1 19 12"
        fill="none"
        stroke="currentColor"
        stroke-width="2.6"
        stroke-linecap="round"
      />
      <circle cx="20" cy="19.4" r="2.6" fill="currentColor" />
    </svg>
  );
}

export function Wordmark() {
  return (
    <span class="wordmark">
      <Mark />
      Ringside
    </span>
  );
}
