package starling.device;

import java.util.List;

/**
 * What {@link Device#rowMap} makes of cuts: the rows that stay in a sequence, ascending, with their
 * positions and where their values come from when fixed rows and kept candidates were computed
 * apart: {@link Device#gatherRows} of {@code [fixed rows | kept candidates]}, each in order of
 * rows, by {@code sources} puts them in place.
 *
 * @param rows i32 {@code [T']}, written
 * @param positionsOut i32 {@code [T']} or {@code [A, T']}, written: on as many axes as {@code
 *     positionsIn}; {@link PositionRule#CONTIGUOUS} gives all axes the same numbers
 * @param sources i32 {@code [T']}, written: for a row that is no candidate its number f among
 *     those; for a kept candidate the number of rows that are none, plus its own among the kept of
 *     all cuts; null if nobody asks
 * @param positionsIn i32 {@code [T]} or {@code [A, T]}
 * @param cuts at most 64
 * @param rule of the positions
 */
public record RowMapping(
    Tensor rows,
    Tensor positionsOut,
    Tensor sources,
    Tensor positionsIn,
    List<Cut> cuts,
    PositionRule rule) {}
