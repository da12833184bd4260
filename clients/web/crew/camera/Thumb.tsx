// Photos that are on this phone, each with its own word of truth. One that HQ has and the phone let go says so instead.

import noPicture from "lucide-static/icons/image-off.svg?raw";
import { useEffect, useState } from "preact/hooks";
import type { Moment, Truth } from "../../core/types";
import { Icon } from "../../ui/icon";
import { TruthWord } from "../parts";
import { seconds } from "../format";
import { usePhone } from "../session";
import { t, word } from "../words";

/** The address of a picture's bytes while it is shown; it is given back afterwards. */
export function usePictureAddress(sha256: string): string | null | undefined {
  const phone = usePhone();
  const [address, setAddress] = useState<string | null>();
  useEffect(() => {
    let made: string | null = null;
    let wanted = true;
    void phone.picture(sha256).then((blob) => {
      if (!wanted) return;
      made = blob ? URL.createObjectURL(blob) : null;
      setAddress(made);
    });
    return () => {
      wanted = false;
      if (made) URL.revokeObjectURL(made);
    };
  }, [phone, sha256]);
  return address;
}

interface ThumbProps { photo: Moment; truth?: Truth | undefined; percent?: number | null | undefined }

export function Thumb({ photo, truth = "saved", percent }: ThumbProps) {
  const address = usePictureAddress(String(photo["sha256"]));
  const [broken, setBroken] = useState(false);
  const name = t("camera-thumb", { what: word("shows", String(photo["shows"] ?? "other")), time: seconds(photo.at) });
  return (
    <li class="thumb" data-testid="thumb" data-sha256={String(photo["sha256"])}>
      {address && !broken
        ? <img src={address} alt={name} onError={() => setBroken(true)} />
        : <span class="no-picture"><Icon of={noPicture} /><span class="meta">{t("camera-no-preview")}</span></span>}
      <span class="meta">{seconds(photo.at)}</span>
      <TruthWord truth={truth} percent={percent} fact={photo.fact} />
    </li>
  );
}

interface ThumbsProps { photos: Moment[]; truths: Map<string, Truth> | undefined; percents?: Map<string, number> }

export function Thumbs({ photos, truths, percents }: ThumbsProps) {
  if (!photos.length) return null;
  return (
    <ul class="thumbs" data-testid="thumbs">
      {photos.map((photo) => (
        <Thumb
          key={photo.fact} photo={photo} truth={truths?.get(photo.fact)} percent={percents?.get(String(photo["sha256"]))}
        />
      ))}
    </ul>
  );
}
