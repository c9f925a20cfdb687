/** Plays the others' sound: one hidden audio element per track. */
import type { TrackHandle } from "@stoa/client";
import { useEffect, useRef } from "react";

import { useMediaState } from "../hooks/store";

export function AudioSinks() {
  const people = useMediaState((s) => s.people);
  const held = useMediaState((s) => s.held);
  if (held) return null;
  return (
    <div hidden>
      {people.flatMap((person) =>
        person.audio.map(({ source, track }) => <Sink key={track.key} track={track} userId={person.userId} source={source} />),
      )}
    </div>
  );
}

function Sink({ track, userId, source }: { track: TrackHandle; userId: string; source: string }) {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (!audio) return;
    track.attach(audio);
    return () => track.detach(audio);
  }, [track]);
  return <audio ref={element} data-user-id={userId} data-source={source} autoPlay />;
}
