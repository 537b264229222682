/**
 * LLaVA-1.5: vision tower, projector, decoder, caches ragged by layer, and the cuts between them.
 */
package starling.model;
