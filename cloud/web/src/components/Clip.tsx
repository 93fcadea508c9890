// Text from the wire: of any length and direction, cut to its place, whole in the title.

import { NONE } from "../format.js";

interface Props {
  text: string | null | undefined;
  mono?: boolean;
  class?: string;
}

export function Clip({ text, mono = false, class: extra = "" }: Props) {
  if (!text) return <span class="none">{NONE}</span>;
  return (
    <bdi class={`clip ${mono ? "mono" : ""} ${extra}`} title={text}>
      {text}
    </bdi>
  );
}
