"""Where things are: the three datums of Chinese maps, distances, and which area a point lies in.

The only module that knows shapely. WGS-84 is what is stored; GCJ-02 (Amap, WeChat) and BD-09 (Baidu) are offset by
hundreds of metres inside China and equal to WGS-84 outside. Coordinates are degrees, latitude first, except inside
GeoJSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import shapely
from shapely import STRtree
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry

from server.desk.codes import codes, identifier
from sync.problems import Refused

Point = tuple[float, float]
"""(latitude, longitude) in degrees."""


class Datum(StrEnum):
    """The reference a coordinate was measured in."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon of ground (网格) belonging to one station. `geometry` is a valid 2-D GeoJSON (Multi)Polygon in WGS-84.

    `station` is an identifier, `station_name` what the file called it; both are None when it did not say. `notes` tells
    what was repaired or assumed while reading it.
    """

    id: str
    name: str
    station: str | None
    area_class: str
    geometry: Mapping[str, Any]
    station_name: str | None = None
    notes: tuple[str, ...] = ()


# --- datums -----------------------------------------------------------------------------------------------------------

# The public GCJ-02 formula: the Krasovsky 1940 ellipsoid and a sum of sines of longitude − 105° and latitude − 35°.
_AXIS_M = 6378245.0
_ECCENTRICITY_SQUARED = 0.00669342162296594323
_CHINA_LAT = (0.8293, 55.8271)
_CHINA_LON = (72.004, 137.8347)
_BD_TURN = math.pi * 3000.0 / 180.0
_EARTH_RADIUS_M = 6371008.8
_SOLVED_DEG = 1e-10


def to_wgs84(lat: float, lon: float, datum: Datum) -> Point:
    """The WGS-84 position of a point given in `datum`, within 1 m; points outside China come back unchanged."""
    if datum is Datum.WGS84 or not _in_china(lat, lon):
        return (lat, lon)
    if datum is Datum.BD09:
        lat, lon = _solve((lat, lon), _gcj_to_bd)
    return _solve((lat, lon), _wgs_to_gcj)


def from_wgs84(lat: float, lon: float, datum: Datum) -> Point:
    """The point in `datum` of a WGS-84 position, for navigation apps. Points outside China come back unchanged."""
    if datum is Datum.WGS84 or not _in_china(lat, lon):
        return (lat, lon)
    shifted = _wgs_to_gcj((lat, lon))
    return _gcj_to_bd(shifted) if datum is Datum.BD09 else shifted


def distance_m(a: Point, b: Point) -> float:
    """Metres between two points along the mean sphere (haversine; within 0.6 % of the ellipsoid)."""
    lat_a, lat_b = math.radians(a[0]), math.radians(b[0])
    half_lat, half_lon = (lat_b - lat_a) / 2, math.radians(b[1] - a[1]) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def _in_china(lat: float, lon: float) -> bool:
    """The rectangle the public formula is defined on; at its rim, on foreign ground or sea, the offset jumps."""
    return _CHINA_LAT[0] <= lat <= _CHINA_LAT[1] and _CHINA_LON[0] <= lon <= _CHINA_LON[1]


def _waves(first: float, second: float, scale: float) -> float:
    """The two sine ladders both coordinates of the formula share a shape of: 20/40, then `scale` of thirds."""
    pi = math.pi
    return (
        2.0 * (20.0 * math.sin(first * pi) + 40.0 * math.sin(first / 3.0 * pi)) / 3.0
        + 2.0 * (scale * math.sin(second / 12.0 * pi) + 2 * scale * math.sin(second / 30.0 * pi)) / 3.0
    )


def _wgs_to_gcj(point: Point) -> Point:
    lat, lon = point
    x, y = lon - 105.0, lat - 35.0
    pi = math.pi
    ripple = 2.0 * (20.0 * math.sin(6.0 * x * pi) + 20.0 * math.sin(2.0 * x * pi)) / 3.0
    root = math.sqrt(abs(x))
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple + _waves(y, y, 160.0)
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple + _waves(x, x, 150.0)
    phi = math.radians(lat)
    shrink = 1 - _ECCENTRICITY_SQUARED * math.sin(phi) ** 2
    lat_m = _AXIS_M * (1 - _ECCENTRICITY_SQUARED) / (shrink * math.sqrt(shrink))
    lon_m = _AXIS_M / math.sqrt(shrink) * math.cos(phi)
    return (lat + math.degrees(north_m / lat_m), lon + math.degrees(east_m / lon_m))


def _gcj_to_bd(point: Point) -> Point:
    lat, lon = point
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _BD_TURN)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _BD_TURN)
    return (radius * math.sin(angle) + 0.006, radius * math.cos(angle) + 0.0065)


def _solve(target: Point, forward: Callable[[Point], Point]) -> Point:
    """The point `forward` moves onto `target`. Offsets change slowly, so repeated correction soon settles."""
    guess = target
    for _ in range(30):
        image = forward(guess)
        miss = (target[0] - image[0], target[1] - image[1])
        guess = (guess[0] + miss[0], guess[1] + miss[1])
        if max(abs(miss[0]), abs(miss[1])) < _SOLVED_DEG:
            break
    return guess


# --- areas ------------------------------------------------------------------------------------------------------------


class AreaIndex:
    """Answers which area a point lies in. A shared border or overlap goes to the smaller polygon, then the lower id."""

    def __init__(self, areas: Iterable[Area]) -> None:
        shapes = [(area, shape(dict(area.geometry))) for area in areas]
        shapes.sort(key=lambda pair: (pair[1].area, pair[0].id))
        self._areas = [area for area, _ in shapes]
        self._polygons = [polygon for _, polygon in shapes]
        self._by_id = {area.id: area for area in self._areas}
        self._tree = STRtree(self._polygons)
        shapely.prepare(self._polygons)

    def lookup(self, lat: float, lon: float) -> str | None:
        """The id of the area the WGS-84 point lies in or on the border of; None when it lies in none."""
        near = sorted(int(i) for i in self._tree.query(shapely.Point(lon, lat)))
        for i in near:
            if shapely.intersects_xy(self._polygons[i], lon, lat):
                return self._areas[i].id
        return None

    def area(self, area_id: str) -> Area:
        """The area of that id. Raises KeyError for an id this index was not built with."""
        return self._by_id[area_id]


def parse_areas(
    geojson: bytes,
    id_property: str,
    name_property: str,
    station_property: str,
    class_property: str | None = None,
    *,
    default_class: str = "urban",
    datum: Datum = Datum.WGS84,
) -> list[Area]:
    """The areas of a GeoJSON FeatureCollection (RFC 7946), all of them or none.

    Invalid rings are repaired and the repair is told in the area's `notes`; altitudes are dropped; a missing name or
    station is noted. Raises Refused "bad-import" with every feature that cannot be read and why (`mistakes`).
    """
    wanted = _Wanted(id_property, name_property, station_property, class_property, default_class, datum)
    mistakes: list[str] = []
    areas: dict[str, Area] = {}
    for position, feature in enumerate(_features(_document(geojson))):
        try:
            _add(areas, _area(feature, wanted))
        except _Broken as broken:
            mistakes.append(f"feature {position}{_own_id(feature, wanted)}: {broken}")
    if mistakes:
        raise Refused("bad-import", "; ".join(mistakes[:5]) + _more(mistakes, 5), mistakes=mistakes)
    return list(areas.values())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which properties of a feature say what."""

    id_property: str
    name_property: str
    station_property: str
    class_property: str | None
    default_class: str
    datum: Datum


class _Broken(Exception):
    """One feature cannot be read; the message says why in words for the person who made the file."""


def _more(mistakes: Sequence[str], shown: int) -> str:
    return f"; and {len(mistakes) - shown} more" if len(mistakes) > shown else ""


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number in JSON")


def _document(geojson: bytes) -> dict[str, Any]:
    try:
        document = json.loads(geojson.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-import", f"The areas are not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refused("bad-import", "The areas must be a GeoJSON object of type FeatureCollection.")
    return document


_DEGREES_CRS = ("CRS84", "EPSG:4326", "EPSG::4326", "EPSG/0/4326")


def _features(document: Mapping[str, Any]) -> list[Any]:
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list) or not features:
        raise Refused("bad-import", "The areas must be a GeoJSON FeatureCollection with at least one feature.")
    crs = document.get("crs")
    if crs is not None and not json.dumps(crs).replace("\\/", "/").rstrip('"} ').upper().endswith(_DEGREES_CRS):
        raise Refused("bad-import", f"The areas use the reference {crs!r}; convert them to WGS-84 degrees (EPSG:4326).")
    return features


def _properties(feature: Any) -> Mapping[str, Any]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise _Broken("it is not a GeoJSON Feature")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        raise _Broken("it has no properties")
    return properties


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _own_id(feature: Any, wanted: _Wanted) -> str:
    """The feature's id for a message, as far as it has one."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    own_id = _text(properties.get(wanted.id_property)) if isinstance(properties, dict) else None
    return "" if own_id is None else f" ({wanted.id_property} {own_id})"


def _area(feature: Any, wanted: _Wanted) -> Area:
    properties = _properties(feature)
    own_id = _text(properties.get(wanted.id_property))
    if own_id is None:
        raise _Broken(f"property {wanted.id_property!r} is missing or empty")
    polygon, repairs = _polygon(feature.get("geometry"), wanted.datum)
    name, station = (_text(properties.get(key)) for key in (wanted.name_property, wanted.station_property))
    return Area(
        id=identifier(own_id),
        name=name or own_id,
        station=None if station is None else identifier(station),
        area_class=_class(properties, wanted),
        geometry=_plain(polygon),
        station_name=station,
        notes=(*repairs, *_missing(name, station)),
    )


def _add(areas: dict[str, Area], area: Area) -> None:
    """One more area; the very same one again is only noted, because exports repeat features."""
    known = areas.get(area.id)
    if known is None:
        areas[area.id] = area
    elif replace(known, notes=area.notes) == area:
        areas[area.id] = replace(known, notes=(*known.notes, "given twice, alike"))
    else:
        raise _Broken("an earlier, different feature has this id")


def _class(properties: Mapping[str, Any], wanted: _Wanted) -> str:
    own = _text(properties.get(wanted.class_property)) if wanted.class_property else None
    area_class = own or wanted.default_class
    if area_class not in codes("area_class"):
        raise _Broken(f"class {area_class!r} is not one of {', '.join(codes('area_class'))}")
    return area_class


def _missing(name: str | None, station: str | None) -> list[str]:
    notes = {"no name: its id is used": name, "no station: its tickets go to the dispatcher": station}
    return [note for note, value in notes.items() if value is None]


def _polygon(geometry: Any, datum: Datum) -> tuple[BaseGeometry, list[str]]:
    """A valid, flat, WGS-84 (multi)polygon and what had to be repaired."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        raise _Broken(f"its geometry is {kind or 'missing'}; only Polygon and MultiPolygon are ground")
    try:
        polygon = shapely.force_2d(shape(geometry))
    except (ShapelyError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise _Broken(f"its rings cannot be read: {error}") from error
    if polygon.is_empty:
        raise _Broken("its geometry is empty")
    _check_degrees(polygon)
    if datum is not Datum.WGS84:
        polygon = shapely.transform(polygon, lambda pairs: _moved(pairs, datum))
    return _repaired(polygon)


def _moved(pairs: Any, datum: Datum) -> Any:
    """An array of (lon, lat) rows, moved in place from `datum` to WGS-84."""
    for row in pairs:
        row[:] = to_wgs84(row[1], row[0], datum)[::-1]
    return pairs


def _check_degrees(polygon: BaseGeometry) -> None:
    west, south, east, north = polygon.bounds
    if not all(math.isfinite(edge) for edge in (west, south, east, north)):
        raise _Broken("a coordinate is not a finite number")
    lat, lon = max(abs(south), abs(north)), max(abs(west), abs(east))
    if lat <= 90 and lon <= 180:
        return
    if lat <= 180 and lon <= 90:
        raise _Broken("latitude and longitude look swapped; GeoJSON wants longitude first")
    raise _Broken(f"coordinates up to {max(lat, lon):.0f} are not degrees; convert them to WGS-84 (EPSG:4326)")


def _repaired(polygon: BaseGeometry) -> tuple[BaseGeometry, list[str]]:
    if polygon.is_valid:
        return polygon, []
    fault = shapely.is_valid_reason(polygon)
    ground = [part for part in _parts(shapely.make_valid(polygon)) if part.area > 0]
    if not ground:
        raise _Broken(f"its rings enclose no ground ({fault})")
    return (ground[0] if len(ground) == 1 else MultiPolygon(ground)), [f"repaired: {fault}"]


def _parts(geometry: BaseGeometry) -> list[Polygon]:
    if isinstance(geometry, Polygon):
        return [geometry]
    return [polygon for part in getattr(geometry, "geoms", ()) for polygon in _parts(part)]


def _plain(polygon: BaseGeometry) -> dict[str, Any]:
    """The geometry as JSON types (shapely's own mapping is made of tuples)."""
    plain: dict[str, Any] = json.loads(json.dumps(mapping(polygon)))
    return plain
